/** L0: the command line of QEMU. Pure; nothing here looks at the host. */
import type { Config } from '../config/schema.js';
import { l0MemoryMiB } from '../config/sizes.js';
import type { Accel } from '../host/accel.js';
import { l1Address, l1MacAddress, l2Address, sshPort } from './network.js';

/**
 * CPU features that must be off under TCG, with what happens else (QEMU 7.2):
 * - smap, smep: QEMU pops IRET frames as kernel accesses, a PV dom0 dies at its first IRET
 * - rdtscp: reported as VMEXIT_RDTSC, Xen reads another instruction than it expects and L2 gets #GP
 * - monitor: Xen's idle loop takes #GP
 * - avx and all that hangs on xsave: QEMU does not intercept XSETBV (target/i386/tcg/translate.c, opcode 0f 01 d1), so Xen
 *   does not hear of L2's and L3's XCR0 and puts its own idea of it back when it switches vCPUs. L3's next XRSTOR of a state
 *   with more in it takes #GP ("Bad FPU state detected" and the end of init); L2's user space has been seen to take SIGILL.
 */
const tcgTroublesome = [
  'smap',
  'smep',
  'rdtscp',
  'monitor',
  'avx',
  'avx2',
  'fma',
  'f16c',
  'xsave',
  'xsaveopt',
  'xgetbv1',
] as const;

/** Features of EPYC that TCG lacks; QEMU would warn about each at every start. */
const tcgMissing = [
  'rdseed',
  'sha-ni',
  'fxsr-opt',
  'misalignsse',
  '3dnowprefetch',
  'osvw',
  'topoext',
  'nrip-save',
  'xsavec',
] as const;

/** The argument of `-cpu`. */
export function cpuModel(accel: Accel): string {
  if (accel === 'kvm') return 'host,+svm';
  return ['EPYC', ...[...tcgTroublesome, ...tcgMissing].map((feature) => `-${feature}`)].join(',');
}

export interface L0Inputs {
  readonly instance: string;
  readonly accel: Accel;
  readonly config: Config;
  /** File names; the boot ones are relative to QEMU's working directory, because a space would cut them. */
  readonly xen: string;
  readonly dom0Kernel: string;
  readonly dom0Initrd: string;
  readonly xenCommandLine: string;
  readonly dom0CommandLine: string;
  readonly l2Disk: string;
  readonly l1Socket: string;
  readonly l2Socket: string;
  readonly qmpSocket: string;
  readonly linkSocket: string;
}

export interface MachineInputs {
  /** For `-name`. */
  readonly name: string;
  readonly accel: Accel;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly qmpSocket: string;
}

/** The arguments of a machine at L0 without devices. Its only monitor is the QMP socket. */
export function machineArguments(inputs: MachineInputs): string[] {
  return [
    ...['-name', `${inputs.name},debug-threads=on`],
    '-nodefaults',
    '-no-user-config',
    // A guest that resets itself has crashed: QEMU ends and its owner says so.
    '-no-reboot',
    ...['-display', 'none'],
    // The daemon lets it run when it reads all that is printed.
    '-S',
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-machine', 'q35,usb=off,vmport=off'],
    ...['-accel', inputs.accel === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=512'],
    ...['-cpu', cpuModel(inputs.accel)],
    ...['-smp', String(inputs.cpus)],
    ...['-m', `${inputs.memoryMiB}M`],
    ...['-qmp', `unix:${optionValue(inputs.qmpSocket)},server=on,wait=off`],
  ];
}

/** A network that ends in QEMU: only the ports forwarded to the addresses' SSH servers come in. */
export function networkArguments(macAddress: string, addresses: readonly string[]): string[] {
  const forwards = addresses.map((address) => `hostfwd=tcp:127.0.0.1:0-${address}:${sshPort}`);
  return [
    // restrict: nothing in the testbed reaches this host or its network.
    ...['-netdev', ['user,id=net0,restrict=on,ipv6=off', ...forwards].join(',')],
    ...['-device', `virtio-net-pci,netdev=net0,mac=${macAddress},romfile=`],
  ];
}

/**
 * The arguments of qemu-system-x86_64. The second serial port (0x2f8, IRQ 3: edge-triggered for Xen) is
 * the link.
 */
export function l0Arguments(inputs: L0Inputs): string[] {
  const { config } = inputs;
  return [
    ...machineArguments({
      ...inputs,
      name: `vsbypass-${inputs.instance}`,
      cpus: config.l0.cpus,
      memoryMiB: l0MemoryMiB(config),
    }),
    ...['-kernel', inputs.xen],
    ...['-append', inputs.xenCommandLine],
    ...[
      '-initrd',
      [`${inputs.dom0Kernel} ${inputs.dom0CommandLine}`, inputs.dom0Initrd]
        .map(optionValue)
        .join(','),
    ],
    ...['-chardev', serverSocket('l1', inputs.l1Socket)],
    ...['-device', 'isa-serial,chardev=l1,iobase=0x3f8,irq=4'],
    ...['-chardev', serverSocket('link', inputs.linkSocket)],
    ...['-device', 'isa-serial,chardev=link,iobase=0x2f8,irq=3'],
    ...networkArguments(l1MacAddress, [l1Address, l2Address]),
    ...disk('l2', inputs.l2Disk, 'raw', true),
    ...config.vms.flatMap((vm) =>
      vm.disk === undefined
        ? []
        : disk(`vm-${vm.name}`, vm.disk.path, vm.disk.format, vm.disk.readOnly),
    ),
    ...['-device', 'virtio-serial-pci,id=ports'],
    ...['-chardev', serverSocket('l2', inputs.l2Socket)],
    ...['-device', 'virtserialport,bus=ports.0,chardev=l2,name=l2.console'],
  ];
}

function serverSocket(id: string, path: string): string {
  return `socket,id=${id},path=${optionValue(path)},server=on,wait=off`;
}

function disk(id: string, path: string, format: 'raw' | 'qcow2', readOnly: boolean): string[] {
  const mode = readOnly ? 'read-only=on' : 'read-only=off';
  return [
    ...[
      '-blockdev',
      `driver=${format},node-name=${id},${mode},file.driver=file,file.filename=${optionValue(path)},file.${mode}`,
    ],
    ...['-device', `virtio-blk-pci,drive=${id},id=disk-${id}`],
  ];
}

/** A value inside a comma-separated QEMU option: commas are doubled. */
export function optionValue(value: string): string {
  return value.replaceAll(',', ',,');
}
