/** How L2 runs its user VMs: a domain of Xen, or a QEMU. */
import { describe, expect, it } from 'vitest';

import { l3Command } from '../../src/layers/l3-kvm.js';
import { l3DomainConfig, l3GrubConfig } from '../../src/layers/l3-xen.js';
import { l3Overlay } from '../../src/layers/l3.js';
import { l3InputsOf, uuid, valuesOf, xen } from '../rig/layers.js';

describe('l3DomainConfig', () => {
  const drivesOf = (name: string): string[] =>
    [...l3DomainConfig(l3InputsOf(name, xen)).matchAll(/"(if=none,[^"]*)"/g)].map(
      ([, drive = '']) => drive,
    );
  const linesOf = (name: string): string[] => l3DomainConfig(l3InputsOf(name, xen)).split('\n');

  it('gives the serial port to a pty and a log file, as an operator has it', () => {
    expect(linesOf('plain')).toContain('serial = "chardev:serial0"');
    expect(linesOf('plain')).toContainEqual(
      expect.stringContaining(
        '"-chardev", "pty,id=serial0,logfile=/var/log/vm/plain.console,logappend=on"',
      ),
    );
    expect(linesOf('plain')).toContain(`uuid = "${uuid}"`);
  });

  it('boots the default image through GRUB, with its overlay', () => {
    expect(drivesOf('plain')).toEqual([
      'if=none,id=boot,format=raw,file=/srv/l3/disk.img,readonly=on',
      'if=none,id=files,format=raw,file=/etc/vsbypass/vms/plain/boot.cpio,readonly=on',
    ]);
    const grub = l3GrubConfig(l3InputsOf('plain', xen));
    expect(grub).toMatch(/^linux \(hd0,msdos1\)\/boot\/vmlinuz console=ttyS0/);
    expect(grub).toContain('\ninitrd (hd0,msdos1)/boot/initrd (hd1)/overlay\nboot\n');
  });

  it('boots from its disk when there is one and no kernel', () => {
    expect(drivesOf('first')).toEqual(['if=none,id=disk0,format=raw,file=/dev/vdc,readonly=off']);
    expect(xen.defineVm(l3InputsOf('first', xen))).not.toHaveProperty('grubConfig');
  });

  it("boots the user's own kernel without the default initrd", () => {
    const grub = l3GrubConfig(l3InputsOf('second', xen));
    expect(grub).toBe('linux (hd1)/kernel root=/dev/vda console=ttyS0\nboot\n');
    expect(drivesOf('second')).toHaveLength(3);
  });
});

describe('l3Command', () => {
  const commandOf = (name: string): string[] => l3Command(l3InputsOf(name));

  it('gives the serial port to a socket and a log file, as an operator has it', () => {
    expect(valuesOf(commandOf('plain'), '-chardev')).toEqual([
      'socket,id=com1,path=/run/vm/plain/console.sock,server=on,wait=off,logfile=/var/log/vm/plain.console,logappend=on',
    ]);
    expect(valuesOf(commandOf('plain'), '-serial')).toEqual(['chardev:com1']);
    expect(valuesOf(commandOf('plain'), '-uuid')).toEqual([uuid]);
  });

  it('boots the default image with its overlay', () => {
    const command = commandOf('plain');
    expect(valuesOf(command, '-kernel')).toEqual(['/srv/l3/vmlinux']);
    expect(valuesOf(command, '-initrd')).toEqual(['/run/vm/plain/initrd']);
  });

  it('boots from its disk when there is one and no kernel', () => {
    const command = commandOf('first');
    expect(command).not.toContain('-kernel');
    expect(valuesOf(command, '-machine')).toEqual([
      'pc,accel=kvm,usb=off,vmport=off,hpet=off,graphics=off',
    ]);
    expect(valuesOf(command, '-blockdev')[0]).toContain('file.filename=/dev/xvdb');
  });

  it("boots the user's own kernel without the default initrd", () => {
    const command = commandOf('second');
    expect(valuesOf(command, '-kernel')).toEqual(['/srv/vms/second/kernel']);
    expect(command).not.toContain('-initrd');
    expect(valuesOf(command, '-append')).toEqual(['root=/dev/vda console=ttyS0']);
  });

  it('has one line for each argument', () => {
    for (const argument of commandOf('second')) expect(argument).not.toContain('\n');
  });
});

describe('l3Overlay', () => {
  it('sets host name and password hash', () => {
    expect(l3Overlay('vm1', '$6$salt$hash')).toEqual([
      { path: '/etc/hostname', content: 'vm1\n' },
      { path: '/etc/shadow', content: 'root:$6$salt$hash:19700::::::\n', mode: 0o600 },
    ]);
  });
});
