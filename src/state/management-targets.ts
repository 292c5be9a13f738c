/** How root of L1's dom0 and of L2 is reached while an instance runs: addresses, key, pinned host keys. */
import { readFile } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import { publicLineOf } from '../formats/keys/dropbear.js';
import type { SshTarget } from '../host/ssh.js';
import type { InstanceStatus } from '../contract/status.js';
import type { InstancePaths } from './paths.js';

export interface ManagementTargets {
  readonly l1: SshTarget;
  /** Undefined for a system of the user's own that does not let us in. */
  readonly l2?: SshTarget | undefined;
}

/** @throws VsbError E_L2_ACCESS where the user has not given any */
export function accessToL2({ l2 }: ManagementTargets): SshTarget {
  if (l2 !== undefined) return l2;
  throw new VsbError('E_L2_ACCESS', 'this needs access to L2, a system of your own', {
    layer: 'L2',
    hint: 'Put a key that its root accepts into the configuration: "l2": {"ssh": {"key": "FILE"}}.',
  });
}

/** @throws VsbError E_FILE when a key is missing or damaged */
export async function managementTargets(
  paths: InstancePaths,
  { l1, l2 }: NonNullable<InstanceStatus['management']>,
): Promise<ManagementTargets> {
  const privateKey = await readFile(paths.managementKey, 'utf8');
  const ours = async (hostKey: string): Promise<string> => publicLineOf(await readFile(hostKey));
  try {
    const toL1: SshTarget = {
      ...{ layer: 'L1', host: l1.host, port: l1.port, privateKey },
      hostKeyLine: await ours(paths.l1HostKey),
    };
    if (l2 === undefined) return { l1: toL1 };
    const { host, port, own } = l2;
    if (own === undefined) {
      return {
        l1: toL1,
        l2: { layer: 'L2', host, port, privateKey, hostKeyLine: await ours(paths.l2HostKey) },
      };
    }
    return {
      l1: toL1,
      l2: {
        ...{ layer: 'L2', host, port, user: own.user, hostKeyLine: own.hostKey },
        privateKey: await readFile(own.key, 'utf8'),
      },
    };
  } catch (cause) {
    const message = `cannot read the keys of instance '${paths.name}': ${messageOf(cause)}`;
    throw new VsbError('E_FILE', message, { cause });
  }
}
