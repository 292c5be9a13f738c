import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { l0MemoryMiB } from '../../src/config/sizes.js';
import {
  bochsConfig,
  bochsHandover,
  bochsNetwork,
  placeModules,
  type BochsInputs,
} from '../../src/layers/l0-bochs.js';

const handoverAddress = 0xff0000;
const config = parseConfig('{}', 'f');
const inputs: BochsInputs = {
  config,
  cpu: 'ryzen',
  l2Disk: 'l2.disk',
  xen: { entry: 0x200000, physicalAddress: 0x200000, offset: 0x80, bytes: 0x260000 },
  modules: [
    { file: 'kernel', bytes: 65_906_612, commandLine: 'console=hvc0' },
    { file: 'initrd', bytes: 11_462_144, commandLine: '' },
  ],
};

describe('placeModules', () => {
  it('puts them behind each other, none into another', () => {
    const [kernel, initrd] = placeModules(inputs.modules);
    expect(kernel?.at).toBe(0x4000000);
    expect(initrd?.at).toBeGreaterThanOrEqual(0x4000000 + 65_906_612);
    expect((initrd?.at ?? 1) % 4096).toBe(0);
  });
});

describe('bochsConfig', () => {
  it('loads all images, gives each serial port its socket, and can write no disk', () => {
    const text = bochsConfig(inputs);
    for (const line of [
      'cpu: model=ryzen, count=1',
      'optramimage1: file=xen.segment, address=0x200000',
      'optramimage2: file=multiboot, address=0xff0000',
      'optramimage3: file=kernel, address=0x4000000',
      'optramimage4: file=initrd, address=0x7f00000',
      'com1: enabled=1, mode=unix-server, dev=run/l1.sock, wait=0',
      'com2: enabled=1, mode=unix-server, dev=run/link.sock, wait=0',
      'com3: enabled=1, mode=unix-server, dev=run/l2.sock, wait=1',
      'ata0-master: type=cdrom, path=l2.disk',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).not.toContain('type=disk');
  });
});

describe('bochsNetwork', () => {
  it('lets nothing out, and in only by ports that the kernel chooses on the loopback interface', () => {
    expect(bochsNetwork()).toBe(
      '# slirp config\nrestricted = 1\nhostfwd = tcp:127.0.0.1:0-10.0.2.15:22\nhostfwd = tcp:127.0.0.1:0-10.0.2.16:22\n',
    );
  });
});

describe('bochsHandover', () => {
  const image = bochsHandover(inputs, 'console=com1');
  const word = (address: number): number => image.readUInt32LE(address - handoverAddress);
  const text = (address: number): string => {
    const start = address - handoverAddress;
    return image.toString('latin1', start, image.indexOf(0, start));
  };
  const information = word(handoverAddress);

  it('tells the option ROM where the information is, and where Xen begins', () => {
    expect(information).toBe(handoverAddress + 8);
    expect(word(handoverAddress + 4)).toBe(0x200000);
  });

  it('has command lines that begin with a name, and the modules in their order', () => {
    expect(text(word(information + 16))).toBe('xen console=com1');
    expect(word(information + 20)).toBe(2);
    const modules = word(information + 24);
    const [kernel, initrd] = placeModules(inputs.modules);
    expect([word(modules), word(modules + 4)]).toEqual([
      kernel?.at,
      (kernel?.at ?? 0) + 65_906_612,
    ]);
    expect(text(word(modules + 8))).toBe('kernel console=hvc0');
    expect(word(modules + 16)).toBe(initrd?.at);
  });

  it('describes all memory up to the tables of ACPI', () => {
    const [length, at] = [word(information + 44), word(information + 48)];
    const ranges = Array.from({ length: length / 24 }, (_, index) => at + 24 * index).map(
      (range) => ({ from: word(range + 4), bytes: word(range + 12), type: word(range + 20) }),
    );
    const end = l0MemoryMiB(config) * 1_048_576;
    expect(ranges).toContainEqual({ from: 0x100000, bytes: end - 0x110000, type: 1 });
    expect(ranges).toContainEqual({ from: end - 0x10000, bytes: 0x10000, type: 3 });
  });
});
