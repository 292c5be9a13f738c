/** What `vsbypass.json` may say of L2: what it is, or which system of the user's own. */
import { z } from 'zod';

import { hostKeyIn, hostKeyTypes } from '../formats/keys/host-key.js';

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
const forwardPattern = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})$/;

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
  hostKey: z
    .string()
    .refine((line) => hostKeyIn(line) !== undefined, {
      message: `must be a public host key, TYPE BASE64, of one of the types ${hostKeyTypes.join(', ')}`,
    })
    .transform((line) => hostKeyIn(line) ?? line)
    .optional(),
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

export const l2Kinds = ['kvm', 'xen'] as const;

/** The virtualized system: stock Linux with QEMU-KVM, stock Xen with its dom0, or a disk with one. */
export const l2Schema = z
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
    const { ready } = l2;
    const fault =
      typeof ready === 'object' && 'pattern' in ready ? faultOf(ready.pattern) : undefined;
    if (fault !== undefined) {
      context.addIssue({ code: 'custom', path: ['ready', 'pattern'], message: fault });
    }
    if (l2.disk !== undefined) return;
    for (const key of ownSystemKeys) {
      if (l2[key] === undefined) continue;
      context.addIssue({
        code: 'custom',
        path: [key],
        message: 'is of no use without l2.disk',
      });
    }
  });

export type L2Kind = (typeof l2Kinds)[number];
export type L2Disk = z.output<typeof l2DiskSchema>;
export type L2Ssh = z.output<typeof l2SshSchema>;
export type L2Ready = z.output<typeof l2ReadySchema>;

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

/** A port of this host. */
type HostPort = Pick<Forward, 'address' | 'port'>;

/** The index of the first one that could not listen, as its port is taken by one before it; 0 takes any that is free. */
export function clashOf(
  forwards: readonly (HostPort | undefined)[],
  ...taken: HostPort[]
): number | undefined {
  for (const [index, one] of forwards.entries()) {
    if (one === undefined) continue;
    if (taken.some((other) => clash(one, other))) return index;
    taken.push(one);
  }
  return undefined;
}

function clash(one: HostPort, other: HostPort): boolean {
  const addresses = [one.address, other.address];
  return (
    one.port === other.port && (addresses.includes('0.0.0.0') || one.address === other.address)
  );
}

function faultOf(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch (error) {
    return `is no regular expression: ${(error as Error).message}`;
  }
}
