/** The link to the shadow hypervisor, as the rest of the program sees it. */
export { GLOBAL_SLOT } from './frame.js';
export { Link, type LinkEvents, type LinkOptions, type LinkStats } from './link.js';
export type {
  GlobalCounters,
  HelloRecord,
  HltPolicy,
  IrqMode,
  SlotAddress,
  VmCounters,
  VmRecord,
  VmState,
} from './messages.js';
