/** What xl is told of every L2, whichever system it is: a domain that may run guests itself. */
import { l2Vcpus } from '../config/interrupts.js';
import type { Config } from '../config/schema.js';
import { l2MemoryMiB } from '../config/sizes.js';
import type { XlEntry } from '../formats/xl-config.js';

export function nestedDomain(type: 'hvm' | 'pvh', config: Config, uuid: string): XlEntry[] {
  return [
    ['name', 'l2'],
    ['uuid', uuid],
    ['type', type],
    ['memory', l2MemoryMiB(config)],
    ['vcpus', l2Vcpus(config)],
    ['nestedhvm', 1],
    ['hap', 1],
    // An emulated TSC costs an exit for each look at the clock.
    ['tsc_mode', 'native'],
    // One that stays here gets the invariant TSC. Without it a Xen in it emulates the TSC of its own domains.
    ['nomigrate', 1],
  ];
}
