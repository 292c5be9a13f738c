import { describe, expect, it } from 'vitest';

import { compare } from '../../../src/images/stock/compare.js';
import { packageOf, parseList, parseSums } from '../../../src/images/stock/list.js';

const sum = (digit: string): string => digit.repeat(64);
const listed = parseList(
  [
    `${sum('a')}\t/usr/bin/qemu\tqemu-system-x86_1%3a7.2+dfsg-7_amd64.deb`,
    `${sum('b')}\t/usr/share/rom\tqemu-system-x86_1%3a7.2+dfsg-7_amd64.deb`,
    `${sum('c')}\t/boot/xen.gz\txen-hypervisor_4.17.5-1_amd64.deb`,
    `${sum('d')}\t/init\t-`,
    '',
  ].join('\n'),
);

describe('compare', () => {
  it('counts what is as it was shipped, by package', () => {
    const sums = parseSums(
      `${sum('a')}  /usr/bin/qemu\n${sum('b')}  /usr/share/rom\n${sum('c')}  /boot/xen.gz\n`,
    );
    expect(compare(listed, sums)).toEqual({
      schemaVersion: 1,
      packages: [
        { name: 'qemu-system-x86', version: '1:7.2+dfsg-7', files: 2 },
        { name: 'xen-hypervisor', version: '4.17.5-1', files: 1 },
      ],
      changed: [],
      others: ['/init'],
    });
  });

  it('names what differs and what is gone', () => {
    const { changed } = compare(listed, parseSums(`${sum('f')}  /usr/bin/qemu\n`));
    expect(changed.map(({ path }) => path)).toEqual([
      '/usr/bin/qemu',
      '/usr/share/rom',
      '/boot/xen.gz',
    ]);
  });
});

it('packageOf reads the epoch of a version', () => {
  expect(packageOf('seabios_1.16.2-1_all.deb')).toEqual({ name: 'seabios', version: '1.16.2-1' });
  expect(packageOf('x_1%3a2_amd64.deb').version).toBe('1:2');
});
