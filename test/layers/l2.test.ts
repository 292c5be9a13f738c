/** The domain that L2 is, and the files that it is given. */
import { describe, expect, it } from 'vitest';

import { l2MemoryMiB } from '../../src/config/sizes.js';
import { l2Overlay, vmFiles } from '../../src/layers/l2.js';
import { l3InputsOf, kvm, twoVms, uuid, withDisks, xen } from '../rig/layers.js';

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
    expect(l3InputsOf('plain').disk).toBeUndefined();
    expect(l3InputsOf('first').disk).toBe('/dev/xvdb');
    expect(l3InputsOf('second').disk).toBe('/dev/xvdc');
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
    expect(l3InputsOf('first', xen).disk).toBe('/dev/vdc');
    expect(l3InputsOf('second', xen).disk).toBe('/dev/vdd');
  });

  it('tells GRUB what to boot, and leaves dom0 what its user VMs do not take', () => {
    const [grub] = xen.bootFiles({ ...twoVms, l2: { kind: 'xen', vcpus: 1 } }, 'tcg');
    expect(grub?.path).toBe('/boot/grub.cfg');
    expect(grub?.content).toMatch(/^multiboot2 \S+\/xen-4\.17-amd64\.gz .*dom0_mem=512M,max:512M/);
    expect(grub?.content).toMatch(/\nmodule2 \S+\/vmlinux .*\nmodule2 \S+\/initrd\nboot\n$/);
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
