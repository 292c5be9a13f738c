/** The connection to QEMU: its machine protocol, the consoles of L1 and L2, and the ports that it forwards. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { fileError } from '../base/files.js';
import type { L2Ssh } from '../config/schema.js';
import { publicLineOf } from '../formats/keys/dropbear.js';
import { QmpClient } from '../host/qmp.js';
import type { SshTarget } from '../host/ssh.js';
import { l1Address, l2Address, sshPort } from '../layers/network.js';
import { connectConsoles } from './connect-consoles.js';
import { forwardedPort } from './forwarded-ports.js';
import type { QemuHandle } from './qemu-process.js';
import { loopback, type Running } from './running.js';

/** Waits for QMP, and asks QEMU by which ports L1 and L2 can be managed. */
export async function connectQmp(
  running: Running,
  signal: AbortSignal,
  limitMs: number,
): Promise<void> {
  const qmp = await openQmp(running, signal, limitMs);
  await startGuest(running, qmp, signal);
  running.management = await managementOf(running, qmp, signal);
}

/** Waits for QMP; the guest does not run yet. */
export async function openQmp(
  running: Running,
  signal: AbortSignal,
  limitMs: number,
): Promise<QmpClient> {
  const qmp = await awaitQmp(running.paths.qmpSocket, running.qemu, signal, limitMs);
  running.qmp = qmp;
  qmp.on('event', (event) => running.log(`QMP ${event.name} ${JSON.stringify(event.data)}`));
  return qmp;
}

/** QEMU waits with its guest until all that it prints is kept. */
export async function startGuest(
  running: Running,
  qmp: QmpClient,
  signal: AbortSignal,
): Promise<void> {
  await connectConsoles(running, signal);
  await qmp.execute('cont', {}, { signal });
}

/** How L1's dom0 and L2 are managed with the secrets that are good now. */
export async function managementOf(
  { secrets, request }: Running,
  qmp: QmpClient,
  signal: AbortSignal,
): Promise<NonNullable<Running['management']>> {
  const usernet = await describeUsernet(qmp, signal);
  const target = (layer: 'L1' | 'L2', address: string, hostKey: Buffer): SshTarget => ({
    layer,
    host: loopback,
    port: forwardedPort(usernet, address, sshPort),
    privateKey: secrets.management.privatePem,
    hostKeyLine: publicLineOf(hostKey),
  });
  const l1 = target('L1', l1Address, secrets.l1Host);
  const { disk, ssh } = request.config.l2;
  if (disk === undefined) return { l1, l2: target('L2', l2Address, secrets.l2Host) };
  if (ssh === undefined) return { l1 };
  const port = forwardedPort(usernet, l2Address, ssh.port);
  return { l1, l2: await ownSystemTarget(ssh, port) };
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

/** Connects to a QEMU that was just started: it makes the socket some milliseconds later. */
export async function awaitQmp(
  socket: string,
  qemu: QemuHandle,
  signal: AbortSignal,
  limitMs: number,
): Promise<QmpClient> {
  for (;;) {
    try {
      return await QmpClient.connect(socket, { signal, timeoutMs: limitMs });
    } catch (error) {
      signal.throwIfAborted();
      if (qemu.exit !== undefined) throw error;
      await delay(20, undefined, { signal });
    }
  }
}

/** QEMU's user network, for forwardedPort(). */
export async function describeUsernet(qmp: QmpClient, signal: AbortSignal): Promise<string> {
  const command = { 'command-line': 'info usernet' };
  return String(await qmp.execute('human-monitor-command', command, { signal }));
}
