/**
 * What `vsbypass.json` may say. Unknown keys are errors: a misspelt key would otherwise be a
 * default that nobody asked for.
 */
import { z } from 'zod';

/** Names of user VMs become folders in L2, ssh host names, and parts of QEMU's `-name`. */
export const vmNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** Names that the program itself gives to VMs that have no other (src/console/names.ts). */
const madeName = /^(?:slot-\d+-\d+|vm-[0-9a-f]{8}|vm-[0-9a-f]{32})$/;

/** What may stand for a console: a name, a UUID, or the beginning of one. */
export const consoleWordPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;

/** How many user VMs the shadow hypervisor has slots for. */
export const maximumVms = 16;

const vmSchema = z.strictObject({
  name: z
    .string()
    .regex(vmNamePattern, 'must be 1 to 32 lower case letters, digits and inner hyphens')
    .describe('name of the user VM'),
  memoryMiB: z.int().min(16).max(65_536).default(256),
  vcpus: z.int().min(1).max(16).default(1),
  /** Started together with the testbed. */
  autostart: z.boolean().default(true),
  /** Files on this host; the default is the small Debian of images/l3. */
  kernel: z.string().min(1).optional(),
  initrd: z.string().min(1).optional(),
  append: z.string().max(2048).optional(),
  /** Files in the format of authorized_keys: who may type at this VM's console, and who may look on. */
  authorizedKeys: z.array(z.string().min(1)).default([]),
  watchKeys: z.array(z.string().min(1)).default([]),
  /** A disk image (raw or qcow2) on this host; without `kernel` the user VM boots from it. */
  disk: z
    .strictObject({
      path: z.string().min(1),
      format: z.enum(['raw', 'qcow2']),
      readOnly: z.boolean().default(false),
    })
    .optional(),
});

/** A disk of a virtualized system of the user's own. */
const l2DiskSchema = z
  .strictObject({
    /** A file or block device on this host. */
    path: z.string().min(1),
    format: z.enum(['raw', 'qcow2']),
    /** The system cannot write to it. */
    readOnly: z.boolean().default(false),
    /** What the system writes goes into this image; else into one beside it that `down` throws away. */
    keepChanges: z.boolean().default(false),
  })
  .refine(({ readOnly, keepChanges }) => !(readOnly && keepChanges), {
    message: 'readOnly and keepChanges exclude each other',
  });

/** `[ADDRESS:]PORT:PORT`: of this host, and of L2. */
export const forwardPattern = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})$/;

const portSchema = z.int().min(1).max(65_535);

/** How the operator of a system of the user's own lets us in. */
const l2SshSchema = z.strictObject({
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be the name of a user')
    .default('root'),
  /** A private key on this host, without a passphrase. */
  key: z.string().min(1),
  port: portSchema.default(22),
  /** `ssh-ed25519 AAAA...`: the only host key accepted; without it any is. */
  hostKey: z.string().min(1).optional(),
});

/** When a system of the user's own counts as up. */
const l2ReadySchema = z.union([
  /** When the first VM of it touches COM1. */
  z.literal('vm'),
  /** When its own console says something that this regular expression matches. */
  z.strictObject({ pattern: z.string().min(1).max(1000) }),
  /** So long after it was created. */
  z.strictObject({ seconds: z.int().min(0).max(86_400) }),
]);

/** Without disks the system is one that this project builds; these only make sense with them. */
const ownSystemKeys = ['forward', 'mac', 'ready', 'screen', 'ssh'] as const;

/** Names of VMs that L2's operator starts by his own means. */
const consoleNameSchema = z.strictObject({
  /** As the firmware of the VM has it: libvirt's `<uuid>`, QEMU's `-uuid`, xl's `uuid`. */
  uuid: z
    .string()
    .regex(
      /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
      'must be a UUID, as in 11111111-2222-4333-8444-555555555555',
    )
    .transform((uuid) => uuid.toLowerCase()),
  name: z
    .string()
    .regex(vmNamePattern, 'must be 1 to 32 lower case letters, digits and inner hyphens'),
});

/** HLT capture of user VMs, see docs/link-protocol.md. */
export const hltPolicies = ['never', 'adaptive', 'attached', 'always'] as const;
/** How L2 is made to raise IRQ 4 of a user VM, see docs/interrupt-paths.md. */
export const irqModes = ['direct', 'doorbell', 'ultracall', 'net'] as const;
/** Where the consoles of user VMs are: in L1's shadow UARTs, or where the virtualized system emulates them. */
export const consoleModes = ['shadow', 'baseline'] as const;
export const l2Kinds = ['kvm', 'xen'] as const;
/** What runs the outermost machine: QEMU with KVM or TCG, or Bochs. */
export const accels = ['kvm', 'tcg', 'bochs'] as const;
export const accelChoices = ['auto', ...accels] as const;
/** Whose virtualization L1 finds: AMD's SVM or Intel's VMX. */
export const vendors = ['amd', 'intel'] as const;
/** Which of them is asked for. */
export const cpuChoices = ['auto', ...vendors] as const;

export const configSchema = z
  .strictObject({
    /** The virtualized system: stock Linux with QEMU-KVM, or stock Xen with its dom0. */
    l2: z
      .strictObject({
        kind: z.enum(l2Kinds).default('kvm'),
        /** Memory of L2 in MiB; by default what its user VMs need and some more. */
        memoryMiB: z.int().min(512).max(262_144).optional(),
        /** By default one, and one more for an interrupt server that asks by ultracalls. */
        vcpus: z.int().min(1).max(32).optional(),
        /** A system of the user's own boots from these, by its own boot loader; `kind` then only says what it is. */
        disk: z
          .union([l2DiskSchema, z.array(l2DiskSchema).min(1).max(8)])
          .transform((disks) => (Array.isArray(disks) ? disks : [disks]))
          .optional(),
        /** Ports of this host, on 127.0.0.1 unless an address is given, that lead to ports of L2. */
        forward: z
          .array(
            z
              .string()
              .regex(forwardPattern, 'must be [ADDRESS:]PORT:PORT, of this host and of L2')
              .refine((text) => forwardOf(text) !== undefined, 'has a number that is too large'),
          )
          .max(32)
          .optional(),
        mac: z
          .string()
          .regex(
            /^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/,
            'must be a unicast address: 52:54:00:12:34:56',
          )
          .optional(),
        ready: l2ReadySchema.optional(),
        /** A graphics card, whose picture `vsbypass l2 screen` shows. */
        screen: z.boolean().optional(),
        ssh: l2SshSchema.optional(),
      })
      .superRefine((l2, context) => {
        if (l2.disk !== undefined) return;
        for (const key of ownSystemKeys) {
          if (l2[key] === undefined) continue;
          context.addIssue({
            code: 'custom',
            path: [key],
            message: 'is of no use without l2.disk',
          });
        }
      })
      .prefault({}),
    l0: z
      .strictObject({
        /**
         * CPUs of the outermost machine, which all layers share. More than one need as many of the host's for themselves: under
         * TCG one that waits for a lock or an IPI of another keeps it from running, see docs/performance.md.
         */
        cpus: z.int().min(1).max(32).default(1),
      })
      .prefault({}),
    l1: z
      .strictObject({
        dom0MemoryMiB: z.int().min(256).max(16_384).default(640),
      })
      .prefault({}),
    accel: z.enum(accelChoices).default('auto'),
    cpu: z.enum(cpuChoices).default('auto'),
    /** By default what suits the interrupt path. */
    hltPolicy: z.enum(hltPolicies).optional(),
    irq: z.enum(irqModes).default('direct'),
    console: z
      .strictObject({
        /** `baseline` leaves every COM1 to L2, for comparison: nothing of it is protected. */
        mode: z.enum(consoleModes).default('shadow'),
        /** Console history kept for each user VM, in bytes. */
        historyBytes: z.int().min(4096).max(268_435_456).default(1_048_576),
        /** TCP port of the console on 127.0.0.1; 0 takes a free one. */
        port: z.int().min(0).max(65_535).default(0),
        /** Files in the format of authorized_keys; their keys open all consoles, beside the instance's own key. */
        authorizedKeys: z.array(z.string().min(1)).default([]),
        /** The same, but they may only look on. */
        watchKeys: z.array(z.string().min(1)).default([]),
        /** Files with Ed25519 public keys of authorities whose user certificates are accepted; principals are VM names. */
        certificateAuthorities: z.array(z.string().min(1)).default([]),
        /** A session that may type ends when nothing was typed for so long; 0: never. */
        idleSeconds: z.int().min(0).max(604_800).default(0),
      })
      .prefault({}),
    /** Multiplies every phase's time limit: for slow or busy machines. */
    patience: z.number().min(0.1).max(20).default(1),
    vms: z.array(vmSchema).max(maximumVms).optional(),
    /** Names for the consoles of other VMs, by their UUIDs. */
    consoles: z.array(consoleNameSchema).max(1024).default([]),
  })
  .superRefine((config, context) => {
    const own = config.l2.disk !== undefined;
    if (config.vms !== undefined && own !== (config.vms.length === 0)) {
      context.addIssue({
        code: 'custom',
        path: ['vms'],
        message: own ? 'a system of l2.disk has its own VMs, which are defined there' : 'is empty',
      });
    }
    if (config.l2.ready !== undefined && typeof config.l2.ready === 'object') {
      const fault = 'pattern' in config.l2.ready ? faultOf(config.l2.ready.pattern) : undefined;
      if (fault !== undefined) {
        context.addIssue({ code: 'custom', path: ['l2', 'ready', 'pattern'], message: fault });
      }
    }
    const seen = new Set<string>();
    const checkName = (name: string, path: (string | number)[]): void => {
      if (seen.has(name)) {
        context.addIssue({ code: 'custom', path, message: `"${name}" names two user VMs` });
      } else if (madeName.test(name)) {
        const message = `"${name}" is a name that is made for VMs without one`;
        context.addIssue({ code: 'custom', path, message });
      }
      seen.add(name);
    };
    const uuids = new Set<string>();
    config.vms?.forEach(({ name }, index) => checkName(name, ['vms', index, 'name']));
    config.consoles.forEach(({ uuid, name }, index) => {
      checkName(name, ['consoles', index, 'name']);
      if (uuids.has(uuid)) {
        const path = ['consoles', index, 'uuid'];
        context.addIssue({ code: 'custom', path, message: `${uuid} has two names` });
      }
      uuids.add(uuid);
    });
    config.vms?.forEach((vm, index) => {
      if (vm.kernel === undefined && vm.initrd !== undefined) {
        context.addIssue({
          code: 'custom',
          path: ['vms', index, 'initrd'],
          message: 'is of no use without a kernel',
        });
      }
      for (const key of ['append', 'kernel', 'initrd'] as const) {
        // The arguments of a user VM's QEMU travel one a line.
        if (/[\n\r\0]/.test(vm[key] ?? '')) {
          context.addIssue({
            code: 'custom',
            path: ['vms', index, key],
            message: 'must not contain a line break',
          });
        }
      }
    });
  });

type ParsedConfig = z.output<typeof configSchema>;
export type VmConfig = z.output<typeof vmSchema>;
/** A configuration with every default filled in. */
export type Config = Omit<ParsedConfig, 'vms'> & { vms: VmConfig[] };
export type HltPolicy = (typeof hltPolicies)[number];
export type IrqMode = (typeof irqModes)[number];
export type ConsoleMode = (typeof consoleModes)[number];
export type L2Kind = (typeof l2Kinds)[number];
/** What L2 is: of either kind as this project builds it, or one that the user brings. */
export type L2System = L2Kind | 'own';
export type L2Disk = z.output<typeof l2DiskSchema>;
export type L2Ssh = z.output<typeof l2SshSchema>;
export type L2Ready = z.output<typeof l2ReadySchema>;
export type AccelChoice = (typeof accelChoices)[number];
export type CpuChoice = (typeof cpuChoices)[number];

export function l2SystemOf({ l2 }: Pick<Config, 'l2'>): L2System {
  return l2.disk === undefined ? l2.kind : 'own';
}

/** The default user VMs `vm1` to `vm<count>`. */
export function defaultVms(count: number): VmConfig[] {
  return Array.from({ length: count }, (_, index) => vmSchema.parse({ name: `vm${index + 1}` }));
}

/** Fills in what the parsed file leaves open. */
export function withDefaultVms(parsed: ParsedConfig, vmCount: number | undefined): Config {
  const none = parsed.l2.disk === undefined ? defaultVms(vmCount ?? 1) : [];
  return { ...parsed, vms: parsed.vms ?? none };
}

/** A port of this host that leads to one of L2. */
export interface Forward {
  readonly address: string;
  readonly port: number;
  readonly l2Port: number;
}

/** @returns undefined for a number that is too large */
export function forwardOf(text: string): Forward | undefined {
  const [, address = '127.0.0.1', port, l2Port] = forwardPattern.exec(text) ?? [];
  const ports = [Number(port), Number(l2Port)];
  const sound =
    ports.every((number) => number >= 1 && number <= 65_535) &&
    address.split('.').every((part) => Number(part) <= 255);
  return sound ? { address, port: Number(port), l2Port: Number(l2Port) } : undefined;
}

function faultOf(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch (error) {
    return `is no regular expression: ${(error as Error).message}`;
  }
}
