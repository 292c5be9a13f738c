/** Options that several commands have, and their choices; light, for the sake of `--help`. */
import { Option } from '@commander-js/extra-typings';

import type { L2Kind } from '../config/schema.js';

export const l2Kinds = ['kvm', 'xen'] as const satisfies readonly L2Kind[];

/** `--accel`: which one L0's machine gets. */
export function accelOption() {
  return new Option('--accel <which>', 'accelerator of the outermost machine').choices([
    'auto',
    'kvm',
    'tcg',
    'bochs',
  ] as const);
}

/** `--cpu`: whose processor L1 finds. */
export function cpuOption() {
  return new Option(
    '--cpu <vendor>',
    'processor of the outermost machine: with SVM (amd) or VMX (intel)',
  ).choices(['auto', 'amd', 'intel'] as const);
}

/** `--require`: the accelerator without which the testbed is not wanted. */
export function requireOption() {
  return new Option(
    '--require <accel>',
    'fail unless the testbed runs with this accelerator (kvm, tcg, bochs)',
  ).choices(['kvm', 'tcg', 'bochs'] as const);
}

/** `--or-skip`: see or-skip.ts. */
export function orSkipOption() {
  return new Option(
    '--or-skip',
    'exit with 77 instead of 3 where this host lacks something',
  ).default(false);
}
