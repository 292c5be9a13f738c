/** What QEMU of L0 is told. */
import { describe, expect, it } from 'vitest';

import { l0Arguments, optionValue } from '../../src/layers/l0.js';
import { l0Inputs, valuesOf, withDisks } from '../rig/layers.js';

describe('l0Arguments', () => {
  const options = l0Arguments(l0Inputs);

  it('gives QEMU one monitor, the QMP socket, and no default devices', () => {
    expect(options).toContain('-nodefaults');
    expect(options).toContain('-no-user-config');
    expect(valuesOf(options, '-qmp')).toEqual(['unix:/r/qmp.sock,server=on,wait=off']);
    expect(options).not.toContain('-monitor');
    expect(options).not.toContain('-serial');
  });

  it('puts the link on 0x2f8 and IRQ 3 as a UNIX socket', () => {
    expect(valuesOf(options, '-device')).toContain('isa-serial,chardev=link,iobase=0x2f8,irq=3');
    expect(valuesOf(options, '-chardev')).toContain(
      'socket,id=link,path=/r/link.sock,server=on,wait=off',
    );
  });

  it('forwards SSH from the loopback address only and lets nothing out', () => {
    const [netdev] = valuesOf(options, '-netdev');
    expect(netdev).toContain('restrict=on');
    expect(netdev?.match(/hostfwd=[^,]*/g)).toEqual([
      'hostfwd=tcp:127.0.0.1:0-10.0.2.15:22',
      'hostfwd=tcp:127.0.0.1:0-10.0.2.16:22',
    ]);
  });

  it('takes the CPU as it was decided on', () => {
    expect(valuesOf(options, '-cpu')).toEqual(['EPYC,-avx']);
  });

  it('passes commas inside a module command line on', () => {
    expect(valuesOf(options, '-initrd')).toEqual(['l1.vmlinux console=hvc0 a=b,,c,l1.initrd']);
  });

  it('adds the disks of user VMs in their order, with commas in file names doubled', () => {
    const disks = valuesOf(l0Arguments({ ...l0Inputs, config: withDisks }), '-blockdev');
    expect(disks).toHaveLength(3);
    expect(disks[0]).toContain('node-name=l2,read-only=on');
    expect(disks[1]).toContain('driver=qcow2,node-name=vm-first,read-only=off');
    expect(disks[1]).toContain('file.filename=/a,,b.qcow2');
    expect(disks[2]).toContain('node-name=vm-second,read-only=on');
  });
});

describe('optionValue', () => {
  it('doubles commas', () => {
    expect(optionValue('a,b,,c')).toBe('a,,b,,,,c');
  });
});
