/** Configurations, and what L0 and the user VMs are described from. */
import { parseConfig } from '../../src/config/load.js';
import { diskOf } from '../../src/layers/disks.js';
import type { L0Inputs } from '../../src/layers/l0.js';
import { virtualizedSystem } from '../../src/layers/l2.js';
import type { L3Inputs } from '../../src/layers/l3.js';

export const twoVms = parseConfig('{}', 'f', 2);
export const withDisks = parseConfig(
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

export const l0Inputs: L0Inputs = {
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
export function valuesOf(options: readonly string[], option: string): string[] {
  return options.flatMap((value, index) => (value === option ? [options[index + 1] ?? ''] : []));
}

export const kvm = virtualizedSystem('kvm');
export const xen = virtualizedSystem('xen');
export const uuid = '00112233-4455-6677-8899-aabbccddeeff';

/** A user VM of `withDisks`. */
export function l3InputsOf(name: string, system = kvm): L3Inputs {
  const vm = withDisks.vms.find((candidate) => candidate.name === name);
  if (vm === undefined) throw new Error(name);
  return { vm, uuid, accel: 'tcg', disk: diskOf(withDisks, name, system.diskInL2) };
}
