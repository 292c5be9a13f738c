/** An L2 that is a system of the user's own. */
import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { l0Arguments } from '../../src/layers/l0.js';
import { l2Domain } from '../../src/layers/l2.js';
import { l0Inputs, uuid, valuesOf } from '../rig/layers.js';

describe("L2 = a system of the user's own", () => {
  const own = parseConfig(
    JSON.stringify({
      l2: {
        disk: [
          { path: '/a,b.qcow2', format: 'qcow2' },
          { path: '/kept.raw', format: 'raw', keepChanges: true },
          { path: '/iso', format: 'raw', readOnly: true },
        ],
        forward: ['8006:8006', '10.1.2.3:80:8080'],
        ssh: { key: '/k', port: 2222 },
        mac: '52:54:00:aa:bb:cc',
      },
    }),
    'f',
  );
  const options = l0Arguments({ ...l0Inputs, config: own });

  it('writes beside its disks, unless they are to keep it', () => {
    const disks = valuesOf(options, '-blockdev');
    expect(disks).toHaveLength(3);
    expect(disks[0]).toContain('node-name=l2-0,read-only=off');
    expect(disks[0]).toContain('file.filename=l2-0.overlay');
    expect(disks[0]).toContain('backing.driver=qcow2,backing.read-only=on');
    expect(disks[0]).toContain('backing.file.filename=/a,,b.qcow2,backing.file.read-only=on');
    expect(disks[1]).toContain('driver=raw,node-name=l2-1,read-only=off');
    expect(disks[1]).toContain('file.filename=/kept.raw');
    expect(disks[2]).toContain('node-name=l2-2,read-only=on');
  });

  it('forwards what was asked for, on the loopback address unless one is given', () => {
    const [netdev] = valuesOf(options, '-netdev');
    expect(netdev).toContain('restrict=on');
    expect(netdev?.match(/hostfwd=[^,]*/g)).toEqual([
      'hostfwd=tcp:127.0.0.1:0-10.0.2.15:22',
      'hostfwd=tcp:127.0.0.1:0-10.0.2.16:2222',
      'hostfwd=tcp:127.0.0.1:8006-10.0.2.16:8006',
      'hostfwd=tcp:10.1.2.3:80-10.0.2.16:8080',
    ]);
  });

  it('leads nowhere in L2 where nobody lets us in', () => {
    const closed = parseConfig('{"l2": {"disk": {"path": "/d", "format": "raw"}}}', 'f');
    const [netdev] = valuesOf(l0Arguments({ ...l0Inputs, config: closed }), '-netdev');
    expect(netdev?.match(/hostfwd=[^,]*/g)).toEqual(['hostfwd=tcp:127.0.0.1:0-10.0.2.15:22']);
  });

  it('is an HVM domain that boots from the first disk, as a machine that knows nothing of Xen', () => {
    const text = l2Domain('own').domainConfig(own, 'tcg', uuid);
    for (const line of ['type = "hvm"', 'nestedhvm = 1', 'xen_platform_pci = 0', 'vga = "none"']) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text.match(/(?<=,file=)[^,"]*/g)).toEqual(['/dev/vda', '/dev/vdb', '/dev/vdc']);
    expect(text.match(/bootindex/g)).toHaveLength(1);
    expect(text).toContain('mac=52:54:00:aa:bb:cc');
    expect(text).toContain('memory = 2048\n');
  });

  it('shows its screen on the loopback of dom0 only, where that was asked for', () => {
    const l2 = { ...own.l2, screen: true };
    const text = l2Domain('own').domainConfig({ ...own, l2 }, 'tcg', uuid);
    expect(text).toContain('vnclisten = "127.0.0.1"\n');
    expect(text).toContain('vga = "stdvga"\n');
  });
});
