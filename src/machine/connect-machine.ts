/** The connection to the machine of L0: what it can be told, the consoles of L1 and L2, and the ports that it forwards. */
import { readFile } from 'node:fs/promises';

import { fileError } from '../base/files.js';
import type { L2Ssh } from '../config/schema.js';
import { publicLineOf } from '../formats/keys/dropbear.js';
import type { SshTarget } from '../host/ssh.js';
import { l1Address, l2Address, sshPort } from '../layers/network.js';
import { connectConsoles } from './connect-consoles.js';
import { loopback, type Running } from './running.js';

/**
 * Waits for the machine, lets it run, and asks it by which ports L1 and L2 can be managed.
 *
 * @param onNoKey as for managementOf
 */
export async function connectMachine(
  running: Running,
  signal: AbortSignal,
  limitMs: number,
  onNoKey?: (error: unknown) => void,
): Promise<void> {
  await running.machine.open(signal, limitMs);
  await startGuest(running, signal);
  running.management = await managementOf(running, signal, onNoKey);
}

/** The machine waits with its guest until all that it prints is kept. */
export async function startGuest(running: Running, signal: AbortSignal): Promise<void> {
  await connectConsoles(running, signal);
  await running.machine.run(signal);
}

/**
 * How L1's dom0 and L2 are managed with the secrets that are good now.
 *
 * @param onNoKey told why the key of a system of the user's own cannot be read: then there is no access to that
 * @throws VsbError E_FILE when it cannot be read, and nobody is to be told
 */
export async function managementOf(
  { secrets, machine, request }: Running,
  signal: AbortSignal,
  onNoKey?: (error: unknown) => void,
): Promise<NonNullable<Running['management']>> {
  const portTo = await machine.forwards(signal);
  const target = (layer: 'L1' | 'L2', address: string, hostKey: Buffer): SshTarget => ({
    layer,
    host: loopback,
    port: portTo(address, sshPort),
    privateKey: secrets.management.privatePem,
    hostKeyLine: publicLineOf(hostKey),
  });
  const l1 = target('L1', l1Address, secrets.l1Host);
  const { disk, ssh } = request.config.l2;
  if (disk === undefined) return { l1, l2: target('L2', l2Address, secrets.l2Host) };
  if (ssh === undefined) return { l1 };
  try {
    return { l1, l2: await ownSystemTarget(ssh, portTo(l2Address, ssh.port)) };
  } catch (error) {
    if (onNoKey === undefined) throw error;
    onNoKey(error);
    return { l1 };
  }
}

/** @throws VsbError E_FILE when the key cannot be read */
async function ownSystemTarget(ssh: L2Ssh, port: number): Promise<SshTarget> {
  try {
    const privateKey = await readFile(ssh.key, 'utf8');
    return {
      layer: 'L2',
      host: loopback,
      port,
      user: ssh.user,
      privateKey,
      hostKeyLine: ssh.hostKey,
    };
  } catch (error) {
    throw fileError(`cannot read l2.ssh.key`, error);
  }
}
