import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { l0MemoryMiB, l2MemoryMiB } from '../../src/config/sizes.js';
import { diskOf } from '../../src/layers/disks.js';
import { l0Arguments, optionValue, type L0Inputs } from '../../src/layers/l0.js';
import { xenCommandLine } from '../../src/layers/l1.js';
import { l2Domain, l2Overlay, virtualizedSystem, vmFiles } from '../../src/layers/l2.js';
import { l3Command } from '../../src/layers/l3-kvm.js';
import { l3DomainConfig, l3GrubConfig } from '../../src/layers/l3-xen.js';
import { l3Overlay, type L3Inputs } from '../../src/layers/l3.js';

const twoVms = parseConfig('{}', 'f', 2);
const withDisks = parseConfig(
  JSON.stringify({
    vms: [
      { name: 'plain' },
      { name: 'first', disk: { path: '/a,b.qcow2', format: 'qcow2' } },
      {
        name: 'second',
        kernel: '/k',
        append: 'root=/dev/vda console=ttyS0',
        disk: { path: '/b.img', format: 'raw', readOnly: true },
      },
    ],
  }),
  'f',
);

const inputs: L0Inputs = {
  instance: 'default',
  accel: 'tcg',
  cpu: 'EPYC,-avx',
  config: twoVms,
  xen: 'xen',
  dom0Kernel: 'l1.vmlinux',
  dom0Initrd: 'l1.initrd',
  xenCommandLine: 'console=com1',
  dom0CommandLine: 'console=hvc0 a=b,c',
  l2Disk: '/cache/l2.img',
  l2Overlay: (index) => `l2-${index}.overlay`,
  l1Socket: '/r/l1.sock',
  l2Socket: '/r/l2.sock',
  qmpSocket: '/r/qmp.sock',
  linkSocket: '/r/link.sock',
};

/** The arguments that follow each occurrence of an option. */
function valuesOf(options: readonly string[], option: string): string[] {
  return options.flatMap((value, index) => (value === option ? [options[index + 1] ?? ''] : []));
}

describe('l0Arguments', () => {
  const options = l0Arguments(inputs);

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
    const disks = valuesOf(l0Arguments({ ...inputs, config: withDisks }), '-blockdev');
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

describe('xenCommandLine', () => {
  it('fixes the memory of dom0', () => {
    expect(xenCommandLine(twoVms, 'tcg')).toContain('dom0_mem=640M,max:640M');
  });
  it('leaves the mitigations alone on a real CPU', () => {
    expect(xenCommandLine(twoVms, 'kvm')).not.toContain('spec-ctrl');
  });

  it('keeps time slices short where vCPUs of L2 wait for one another on one CPU', () => {
    const line = (text: string): string => xenCommandLine(parseConfig(text, 'f'), 'tcg');
    expect(line('{}')).not.toContain('sched=');
    expect(line('{"irq": "ultracall"}')).toContain('sched=credit');
    expect(line('{"irq": "ultracall", "l0": {"cpus": 2}}')).not.toContain('sched=');
  });
});

const kvm = virtualizedSystem('kvm');
const xen = virtualizedSystem('xen');
const uuid = '00112233-4455-6677-8899-aabbccddeeff';

function inputsOf(name: string, system = kvm): L3Inputs {
  const vm = withDisks.vms.find((candidate) => candidate.name === name);
  if (vm === undefined) throw new Error(name);
  return { vm, uuid, accel: 'tcg', disk: diskOf(withDisks, name, system.diskInL2) };
}

describe('L2 = KVM', () => {
  it('is a PVH domain with nested HAP and a native TSC', () => {
    const lines = kvm.domainConfig(twoVms, 'tcg', uuid).split('\n');
    for (const line of [
      'type = "pvh"',
      `uuid = "${uuid}"`,
      'nestedhvm = 1',
      'hap = 1',
      'tsc_mode = "native"',
      // Which is what the invariant TSC depends on.
      'nomigrate = 1',
      'ramdisk = "/run/l2.initrd"',
      `memory = ${l2MemoryMiB(twoVms)}`,
      'disk = [  ]',
    ]) {
      expect(lines).toContain(line);
    }
  });

  it('hands the disks of user VMs on, in the order in which L0 attaches them', () => {
    expect(kvm.domainConfig(withDisks, 'tcg', uuid)).toContain(
      'disk = [ "format=raw,vdev=xvdb,access=rw,target=/dev/vdb", "format=raw,vdev=xvdc,access=ro,target=/dev/vdc" ]',
    );
    expect(inputsOf('plain').disk).toBeUndefined();
    expect(inputsOf('first').disk).toBe('/dev/xvdb');
    expect(inputsOf('second').disk).toBe('/dev/xvdc');
  });
});

describe('L2 = Xen', () => {
  it('is an HVM domain with nested HAP that boots from its disk', () => {
    const lines = xen.domainConfig(twoVms, 'tcg', uuid).split('\n');
    const wanted = ['type = "hvm"', `uuid = "${uuid}"`, 'nestedhvm = 1', 'hap = 1', 'boot = "c"'];
    for (const line of wanted) {
      expect(lines).toContain(line);
    }
    expect(lines.some((line) => line.startsWith('kernel'))).toBe(false);
  });

  it('hands the disks of user VMs on, behind its own and the overlay', () => {
    const text = xen.domainConfig(withDisks, 'tcg', uuid);
    const drives = [...text.matchAll(/"(if=none,[^"]*)"/g)].map(([, drive]) => drive);
    expect(drives).toEqual([
      'if=none,id=boot,format=raw,file=/dev/vda,readonly=on',
      'if=none,id=overlay,format=raw,file=/etc/vsbypass/l2-overlay.cpio,readonly=on',
      'if=none,id=vm-first,format=raw,file=/dev/vdb,readonly=off',
      'if=none,id=vm-second,format=raw,file=/dev/vdc,readonly=on',
    ]);
    expect(inputsOf('first', xen).disk).toBe('/dev/vdc');
    expect(inputsOf('second', xen).disk).toBe('/dev/vdd');
  });

  it('tells GRUB what to boot, and leaves dom0 what its user VMs do not take', () => {
    const [grub] = xen.bootFiles({ ...twoVms, l2: { kind: 'xen', vcpus: 1 } }, 'tcg');
    expect(grub?.path).toBe('/boot/grub.cfg');
    expect(grub?.content).toMatch(/^multiboot2 \S+\/xen-4\.17-amd64\.gz .*dom0_mem=512M,max:512M/);
    expect(grub?.content).toMatch(/\nmodule2 \S+\/vmlinux .*\nmodule2 \S+\/initrd\nboot\n$/);
  });
});

describe('l3DomainConfig', () => {
  const drivesOf = (name: string): string[] =>
    [...l3DomainConfig(inputsOf(name, xen)).matchAll(/"(if=none,[^"]*)"/g)].map(
      ([, drive = '']) => drive,
    );
  const linesOf = (name: string): string[] => l3DomainConfig(inputsOf(name, xen)).split('\n');

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
    const grub = l3GrubConfig(inputsOf('plain', xen));
    expect(grub).toMatch(/^linux \(hd0,msdos1\)\/boot\/vmlinuz console=ttyS0/);
    expect(grub).toContain('\ninitrd (hd0,msdos1)/boot/initrd (hd1)/overlay\nboot\n');
  });

  it('boots from its disk when there is one and no kernel', () => {
    expect(drivesOf('first')).toEqual(['if=none,id=disk0,format=raw,file=/dev/vdc,readonly=off']);
    expect(xen.defineVm(inputsOf('first', xen))).not.toHaveProperty('grubConfig');
  });

  it("boots the user's own kernel without the default initrd", () => {
    const grub = l3GrubConfig(inputsOf('second', xen));
    expect(grub).toBe('linux (hd1)/kernel root=/dev/vda console=ttyS0\nboot\n');
    expect(drivesOf('second')).toHaveLength(3);
  });
});

describe('l3Command', () => {
  const commandOf = (name: string): string[] => l3Command(inputsOf(name));

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

describe('l2Overlay', () => {
  it('defines each user VM, secrets readable by root only', () => {
    const keys = { authorizedKey: 'ssh-ed25519 AAAA', hostKey: Buffer.from('k') };
    const added = { overlay: Buffer.from('o') };
    const files = l2Overlay(
      keys,
      [{ path: '/boot/grub.cfg', content: 'boot' }],
      [
        {
          name: 'a',
          autostart: true,
          files: vmFiles('a', { kind: 'kvm', command: ['qemu', '-x'] }, added),
        },
        {
          name: 'b',
          autostart: false,
          files: vmFiles(
            'b',
            { kind: 'xen', domainConfig: 'name = "b"\n', grubConfig: 'boot' },
            added,
          ),
        },
      ],
    );
    const paths = files.map((file) => file.path);
    expect(paths).toContain('/etc/vsbypass/vms/a/autostart');
    expect(paths).not.toContain('/etc/vsbypass/vms/b/autostart');
    expect(files.find((file) => file.path.endsWith('a/argv'))?.content).toBe('qemu\n-x\n');
    expect(files.find((file) => file.path.endsWith('b/xl.cfg'))?.content).toBe('name = "b"\n');
    expect(paths).toContain('/boot/grub.cfg');
    for (const file of files.filter(({ path }) => /host_key|\.cpio|authorized/.test(path))) {
      expect(file.mode).toBe(0o600);
    }
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

describe('memory', () => {
  it('of L0 holds all layers and is a multiple of 64 MiB', () => {
    const l0 = l0MemoryMiB(twoVms);
    expect(l0 % 64).toBe(0);
    expect(l0).toBeGreaterThan(l2MemoryMiB(twoVms) + twoVms.l1.dom0MemoryMiB);
  });

  it('of the default testbed stays well below 5 GiB', () => {
    expect(l0MemoryMiB(parseConfig('{}', 'f'))).toBeLessThan(4096);
  });
});

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
  const options = l0Arguments({ ...inputs, config: own });

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
    const [netdev] = valuesOf(l0Arguments({ ...inputs, config: closed }), '-netdev');
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
