/** The link to the shadow hypervisor, as the rest of the program sees it. */
export type { GlobalCounters, VmCounters } from './counters.js';
export { GLOBAL_SLOT } from './frame.js';
export type { LinkEvents } from './hypervisor.js';
export { Link, type LinkOptions } from './link.js';
export type {
  HelloRecord,
  HltPolicy,
  IrqMode,
  SlotAddress,
  VmRecord,
  VmState,
} from './messages.js';
export type { LinkStats } from './stats.js';
