/** A Xen host at L0: the disk that L2 boots from in the testbed, on a QEMU of its own. */
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { virtioDisk } from '../../layers/device-model.js';
import type { HostSystem } from './host.js';

/** Names relative to QEMU's working directory. */
const files = { disk: 'host.img', overlay: 'host.overlay' } as const;

export const xenHost: HostSystem = {
  arguments: () => [
    ...virtioDisk({ id: 'boot', file: files.disk, readOnly: true, boots: true }),
    ...virtioDisk({ id: 'overlay', file: files.overlay, readOnly: true }),
  ],
  layOut: async ({ bootDir, image, overlay }) => {
    await symlink(join(image, 'l2.img'), join(bootDir, files.disk));
    await writeFile(join(bootDir, files.overlay), overlay, { mode: 0o600 });
  },
};
