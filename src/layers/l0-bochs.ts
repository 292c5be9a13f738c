/**
 * L0 as a machine of Bochs: its configuration, and what it finds in memory when it starts. Pure; nothing here looks at the host.
 *
 * No boot loader runs: Bochs reads the images into memory, its BIOS sets the machine up and calls the option ROM of images/bochs,
 * which jumps to Xen. The memory map that Xen gets is that BIOS's (rombios.c, INT 15h E820).
 */
import type { Config } from '../config/schema.js';
import { l0MemoryMiB } from '../config/sizes.js';
import type { LoadedSegment } from '../formats/elf32.js';
import { l1Address, l1MacAddress, l2Address, sshPort } from './network.js';

/** Files in Bochs' working directory. Nothing in its configuration needs quotes or commas for them. */
export const bochsFiles = {
  program: 'bochs',
  bios: 'bios',
  bootRom: 'boot.rom',
  config: 'bochsrc',
  network: 'slirp.conf',
  /** What Xen is loaded as, and what a loader would tell it. */
  xenImage: 'xen.segment',
  handover: 'multiboot',
  /** A link to the instance's folder for sockets. */
  sockets: 'run',
} as const;

/** Where an instance has the configuration: its Bochs is known by it. */
export function bochsConfigPath(bootDir: string): string {
  return `${bootDir}/${bochsFiles.config}`;
}

/** The first serial port is L1's console, the second (IRQ 3) the link, the third L2's console. */
export const bochsSockets = [
  `${bochsFiles.sockets}/l1.sock`,
  `${bochsFiles.sockets}/link.sock`,
  `${bochsFiles.sockets}/l2.sock`,
] as const;

/** In the order in which Bochs opens their ports. */
export const forwardedAddresses: readonly string[] = [l1Address, l2Address];

/** Known to images/bochs/build: where the option ROM looks for what a loader hands over. */
const handoverAddress = 0xff0000;
/** Behind it, so that Xen, which lies below 16 MiB, has room. */
const modulesAddress = 0x400_0000;
const mebibyte = 1_048_576;

/** What the BIOS has at the end of memory for ACPI's tables. */
const acpiBytes = 0x10000;

export interface BochsInputs {
  readonly config: Config;
  /** One of Bochs' names of processors. */
  readonly cpu: string;
  readonly l2Disk: string;
  readonly xen: LoadedSegment;
  readonly modules: readonly BochsModule[];
}

/** A file that is loaded for Xen: dom0's kernel or its initrd. */
export interface BochsModule {
  readonly file: string;
  readonly bytes: number;
  readonly commandLine: string;
}

/** Each module begins at a MiB, the first at `modulesAddress`. */
export function placeModules(modules: readonly BochsModule[]): (BochsModule & { at: number })[] {
  let next = modulesAddress;
  return modules.map((module) => {
    const at = next;
    next = Math.ceil((at + module.bytes) / mebibyte) * mebibyte;
    return { ...module, at };
  });
}

/** The configuration file. */
export function bochsConfig(inputs: BochsInputs): string {
  const { config, cpu, l2Disk, xen, modules } = inputs;
  const memory = l0MemoryMiB(config);
  const images = [
    { file: bochsFiles.xenImage, at: xen.physicalAddress },
    { file: bochsFiles.handover, at: handoverAddress },
    ...placeModules(modules),
  ];
  const [l1, link, l2] = bochsSockets;
  return `${[
    'config_interface: textconfig',
    'display_library: nogui',
    'plugin_ctrl: unmapped=true, biosdev=true, speaker=false, e1000=true',
    // ips: what a second of the guest's clock is. With more of them serial ports are slow, with less the layers' timers cost too much.
    `cpu: model=${cpu}, count=1, ips=200000000, reset_on_triple_fault=0, ignore_bad_msrs=1`,
    `memory: guest=${memory}, host=${memory}`,
    `romimage: file=${bochsFiles.bios}, options=fastboot`,
    // In the place of the display's, which the BIOS calls as soon as it has set the machine up.
    `vgaromimage: file=${bochsFiles.bootRom}`,
    ...images.map(
      ({ file, at }, index) => `optramimage${index + 1}: file=${file}, address=${hex(at)}`,
    ),
    'pci: enabled=1, chipset=i440fx, slot1=e1000',
    // An idle guest leaves the host's processor alone, and its clock goes on as the host's does.
    'clock: sync=slowdown, time0=utc',
    'ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14',
    // A drive for CDs: what it reads from cannot be written.
    `ata0-master: type=cdrom, path=${l2Disk}, status=inserted`,
    'boot: cdrom',
    // The last one waits for its client: all of them listen by then.
    `com1: enabled=1, mode=unix-server, dev=${l1}, wait=0`,
    `com2: enabled=1, mode=unix-server, dev=${link}, wait=0`,
    `com3: enabled=1, mode=unix-server, dev=${l2}, wait=1`,
    `e1000: enabled=1, mac=${l1MacAddress}, ethmod=slirp, script=${bochsFiles.network}`,
    'log: -',
    'panic: action=fatal',
    // Guests try what a processor has; each trial is an error to Bochs.
    'error: action=ignore',
    'info: action=ignore',
    'debug: action=ignore',
  ].join('\n')}\n`;
}

/** The configuration of its network: nothing comes in but by the forwarded ports, nothing goes out. */
export function bochsNetwork(): string {
  const forwards = forwardedAddresses.map(
    (address) => `hostfwd = tcp:127.0.0.1:0-${address}:${sshPort}`,
  );
  return `${['# slirp config', 'restricted = 1', ...forwards].join('\n')}\n`;
}

/** Multiboot Specification 0.6.96, section 3.3: which fields are there. */
const flag = { memory: 1, commandLine: 4, modules: 8, memoryMap: 64, loaderName: 512 } as const;
/** Types of memory, as in INT 15h E820. */
const usable = 1;
const reserved = 2;
const reclaimable = 3;
const informationBytes = 68;

/**
 * What the option ROM hands to Xen, for `handoverAddress`: two words for the ROM (where the information is, Xen's entry), then the
 * information with all that it points to.
 */
export function bochsHandover(inputs: BochsInputs, xenCommandLine: string): Buffer {
  const { config, xen, modules } = inputs;
  const end = l0MemoryMiB(config) * mebibyte - acpiBytes;
  const parts: Buffer[] = [];
  let next = handoverAddress + 8 + informationBytes;
  const place = (part: Buffer): number => {
    const at = next;
    parts.push(part);
    next += part.length;
    return at;
  };
  const text = (value: string): number => place(Buffer.from(`${value}\0`));
  const map = Buffer.concat([
    memoryRange(0, 0x9f000, usable),
    memoryRange(0x9f000, 0x1000, reserved),
    memoryRange(0xe8000, 0x18000, reserved),
    memoryRange(mebibyte, end - mebibyte, usable),
    memoryRange(end, acpiBytes, reclaimable),
    memoryRange(0xfffc0000, 0x40000, reserved),
  ]);
  const mapAt = place(map);
  // Xen takes the first word of a command line for the name of the program.
  const commandLineAt = text(`xen ${xenCommandLine}`);
  const loaderAt = text('vsbypass');
  const placed = placeModules(modules).map(({ file, at, bytes, commandLine }) => ({
    at,
    end: at + bytes,
    commandLineAt: text(`${file} ${commandLine}`),
  }));
  const modulesAt = place(
    Buffer.concat(placed.map((module) => words(module.at, module.end, module.commandLineAt, 0))),
  );
  const flags = flag.memory | flag.commandLine | flag.modules | flag.memoryMap | flag.loaderName;
  const information = Buffer.alloc(informationBytes);
  const fields: readonly [offset: number, value: number][] = [
    [0, flags],
    [4, 0x9f000 / 1024],
    [8, (end - mebibyte) / 1024],
    [16, commandLineAt],
    [20, placed.length],
    [24, modulesAt],
    [44, map.length],
    [48, mapAt],
    [64, loaderAt],
  ];
  for (const [offset, value] of fields) information.writeUInt32LE(value, offset);
  return Buffer.concat([words(handoverAddress + 8, xen.entry), information, ...parts]);
}

function memoryRange(address: number, bytes: number, type: number): Buffer {
  const range = Buffer.alloc(24);
  range.writeUInt32LE(20, 0);
  range.writeBigUInt64LE(BigInt(address), 4);
  range.writeBigUInt64LE(BigInt(bytes), 12);
  range.writeUInt32LE(type, 20);
  return range;
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => buffer.writeUInt32LE(value, 4 * index));
  return buffer;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
