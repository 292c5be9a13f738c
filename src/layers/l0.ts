/** L0: the command line of QEMU. Pure; nothing here looks at the host. */
import { forwardOf } from '../config/l2-schema.js';
import type { Config, L2Disk } from '../config/schema.js';
import { l0MemoryMiB } from '../config/sizes.js';
import type { Accel } from '../host/accel.js';
import { l1Address, l1MacAddress, l2Address, sshPort } from './network.js';

export interface L0Inputs {
  readonly instance: string;
  readonly accel: Accel;
  /** The argument of `-cpu`. */
  readonly cpu: string;
  readonly config: Config;
  /** File names; the boot ones are relative to QEMU's working directory, because a space would cut them. */
  readonly xen: string;
  readonly dom0Kernel: string;
  readonly dom0Initrd: string;
  readonly xenCommandLine: string;
  readonly dom0CommandLine: string;
  /** The disk that our L2 comes from. */
  readonly l2Disk: string;
  /** The image that keeps what a system of the user's own writes to its disk of that number. */
  readonly l2Overlay: (index: number) => string;
  readonly l1Socket: string;
  readonly l2Socket: string;
  readonly qmpSocket: string;
  readonly linkSocket: string;
}

export interface MachineInputs {
  /** For `-name`. */
  readonly name: string;
  readonly accel: Accel;
  /** The argument of `-cpu`. */
  readonly cpu: string;
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
    ...['-cpu', inputs.cpu],
    ...['-smp', String(inputs.cpus)],
    ...['-m', `${inputs.memoryMiB}M`],
    ...['-qmp', `unix:${optionValue(inputs.qmpSocket)},server=on,wait=off`],
  ];
}

/** A port of this host (0: a free one of 127.0.0.1) that leads to one inside. */
export interface PortForward {
  readonly from?: { readonly address: string; readonly port: number };
  readonly to: { readonly address: string; readonly port: number };
}

/** A network that ends in QEMU: only what comes in by the forwarded ports is in it. DHCP gives `l2Address`. */
export function networkArguments(macAddress: string, forwards: readonly PortForward[]): string[] {
  const options = forwards.map(
    ({ from = { address: '127.0.0.1', port: 0 }, to }) =>
      `hostfwd=tcp:${from.address}:${from.port}-${to.address}:${to.port}`,
  );
  return [
    // restrict: nothing in the testbed reaches this host or its network.
    ...[
      '-netdev',
      [`user,id=net0,restrict=on,ipv6=off,dhcpstart=${l2Address}`, ...options].join(','),
    ],
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
    ...networkArguments(l1MacAddress, forwardsOf(config)),
    ...systemDisks(inputs),
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

/** To the SSH servers of L1's dom0 and, where we are let in, of L2; and what the configuration asks for. */
function forwardsOf({ l2 }: Config): PortForward[] {
  const l2Ssh = l2.disk === undefined ? sshPort : l2.ssh?.port;
  return [
    { to: { address: l1Address, port: sshPort } },
    ...(l2Ssh === undefined ? [] : [{ to: { address: l2Address, port: l2Ssh } }]),
    ...(l2.forward ?? []).flatMap((text) => {
      const forward = forwardOf(text);
      return forward === undefined
        ? []
        : [{ from: forward, to: { address: l2Address, port: forward.l2Port } }];
    }),
  ];
}

/** What L2 comes from: our disk, or those of a system of the user's own. */
function systemDisks({ config, l2Disk, l2Overlay }: L0Inputs): string[] {
  const own = config.l2.disk;
  if (own === undefined) return disk('l2', l2Disk, 'raw', true);
  return own.flatMap((one, index) => ownDisk(`l2-${index}`, one, l2Overlay(index)));
}

function ownDisk(
  id: string,
  { path, format, readOnly, keepChanges }: L2Disk,
  overlay: string,
): string[] {
  if (readOnly || keepChanges) return disk(id, path, format, readOnly);
  return [
    ...[
      '-blockdev',
      [
        `driver=qcow2,node-name=${id},read-only=off,cache.no-flush=on,file.driver=file,file.filename=${overlay}`,
        `backing.driver=${format},backing.read-only=on`,
        `backing.file.driver=file,backing.file.filename=${optionValue(path)},backing.file.read-only=on`,
      ].join(','),
    ],
    // A disk of this host that is full is L2's fault to handle: the consoles must not stop with it.
    ...['-device', `virtio-blk-pci,drive=${id},id=disk-${id},werror=report`],
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
