/** L1's dom0, which is not on the console's path. */
import type { Ground } from './ground.js';

const layer = 'L1';

export const l1Dom0: Ground = {
  layer,
  workFolder: '/run',
  channels: ({ directory }) => [
    {
      ...{ layer, name: 'console-logs', method: "xenconsoled's logs, /var/log/xen" },
      claims: [],
      directives: ['tree /var/log/xen/console'],
    },
    {
      ...{ layer, name: 'xl-dmesg', method: "the hypervisor's console ring" },
      claims: [],
      directives: [`file ${directory}/xl-dmesg`],
    },
    {
      ...{ layer, name: 'processes', method: 'memory of all processes of dom0' },
      claims: [],
      directives: ['processes 0'],
    },
    {
      ...{ layer, name: 'files', method: 'every file of every writable file system' },
      claims: [],
      directives: ['mounts'],
    },
  ],
  limitsMs: { command: 60_000, search: 180_000 },
  collect: 'xl dmesg >xl-dmesg; cat piped >>xl-dmesg 2>/dev/null',
  plant: () => [
    'echo "$c" >piped',
    'echo "$c" >/run/vsbypass-plant',
    'echo "$c" >/var/log/xen/console/vsbypass-plant',
  ],
  unplant: () => 'rm -f /run/vsbypass-plant /var/log/xen/console/vsbypass-plant piped',
};
