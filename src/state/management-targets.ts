/** How root of L1's dom0 and of L2 is reached while an instance runs: addresses, key, pinned host keys. */
import { readFile } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import { publicLineOf } from '../formats/keys/dropbear.js';
import type { SshTarget } from '../host/ssh.js';
import type { InstancePaths } from './paths.js';

interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ManagementTargets {
  readonly l1: SshTarget;
  readonly l2: SshTarget;
}

/** @throws VsbError E_FILE when a key is missing or damaged */
export async function managementTargets(
  paths: InstancePaths,
  addresses: { readonly l1: Address; readonly l2: Address },
): Promise<ManagementTargets> {
  const target = async (
    layer: 'L1' | 'L2',
    { host, port }: Address,
    hostKey: string,
  ): Promise<SshTarget> => ({
    layer,
    host,
    port,
    privateKey: await readFile(paths.managementKey, 'utf8'),
    hostKeyLine: publicLineOf(await readFile(hostKey)),
  });
  try {
    return {
      l1: await target('L1', addresses.l1, paths.l1HostKey),
      l2: await target('L2', addresses.l2, paths.l2HostKey),
    };
  } catch (cause) {
    const message = `cannot read the keys of instance '${paths.name}': ${messageOf(cause)}`;
    throw new VsbError('E_FILE', message, { cause });
  }
}
