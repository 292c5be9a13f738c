/** The user VM on a host that is not nested, console through the QEMU there. */
import type { L2Kind } from '../../config/schema.js';
import { hostVm } from '../stacks/host.js';
import type { Configuration } from './configuration.js';
import { operatorConsole } from './operator.js';

const about = {
  kvm: "the user VM on a KVM host that is not nested, console through that host's QEMU",
  xen: "the user VM on a stock Xen that is not nested, console through its dom0's device model",
} as const;

export function traditional(l2: L2Kind): Configuration {
  return operatorConsole({
    ...{ id: `${l2}/traditional`, l2, title: 'traditional', about: about[l2] },
    ...{ stack: `${l2}/host`, vm: hostVm },
  });
}
