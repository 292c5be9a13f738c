/** A KVM host at L0: what is L2's image in the testbed, on a QEMU of its own. */
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';

import { linuxCommandLine } from '../../layers/l2-kvm.js';
import { writeInitrd } from '../../machine/assemble.js';
import type { HostSystem } from './host.js';

/** Names relative to QEMU's working directory. */
const files = { kernel: 'host.vmlinux', initrd: 'host.initrd' } as const;

export const kvmHost: HostSystem = {
  arguments: (accel) => [
    ...['-kernel', files.kernel],
    ...['-initrd', files.initrd],
    ...['-append', linuxCommandLine(accel, 'ttyS0')],
  ],
  layOut: async ({ bootDir, image, overlay, signal }) => {
    await symlink(join(image, 'vmlinux'), join(bootDir, files.kernel));
    await writeInitrd(join(image, 'initrd'), overlay, join(bootDir, files.initrd), signal);
  },
};
