/**
 * What `vsbypass.json` may say. Unknown keys are errors: a misspelt key would otherwise be a
 * default that nobody asked for.
 */
import { z } from 'zod';

import { clashOf, forwardOf, l2Schema, type L2Kind } from './l2-schema.js';
import { isMadeName } from './vm-names.js';

export { l2Kinds, type L2Disk, type L2Kind, type L2Ready, type L2Ssh } from './l2-schema.js';

/** Names of user VMs become folders in L2, ssh host names, and parts of QEMU's `-name`. */
export const vmNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** What may stand for a console: a name, a UUID, or the beginning of one. */
export const consoleWordPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;

/** How many user VMs a configuration may have. The shadow hypervisor has slots for twice as many. */
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
    l2: l2Schema.prefault({}),
    l0: z
      .strictObject({
        /**
         * CPUs of the outermost machine, which all layers share. More than one need as many of the host's for themselves: under
         * TCG one that waits for a lock or an IPI of another keeps it from running, see docs/performance-internals.md.
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
    const local = { address: '127.0.0.1', port: config.console.port };
    const clash = clashOf((config.l2.forward ?? []).map(forwardOf), local);
    if (clash !== undefined) {
      const message = 'takes a port of this host that another of them, or console.port, has';
      context.addIssue({ code: 'custom', path: ['l2', 'forward', clash], message });
    }
    const seen = new Set<string>();
    const checkName = (name: string, path: (string | number)[]): void => {
      if (seen.has(name)) {
        context.addIssue({ code: 'custom', path, message: `"${name}" names two user VMs` });
      } else if (isMadeName(name)) {
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
/** What L2 is: of either kind as this project builds it, or one that the user brings. */
export type L2System = L2Kind | 'own';
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
