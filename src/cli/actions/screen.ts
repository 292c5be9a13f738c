/** Carries `vsbypass l2 screen` out: QEMU in L1's dom0 serves the picture by VNC, on its loopback only. */
import { once } from 'node:events';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { resolve } from 'node:path';

import { VsbError, messageOf } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { encodePng } from '../../formats/png.js';
import { takePicture, type Picture } from '../../host/framebuffer.js';
import { openRemote, type RemoteCommand, type SshTarget } from '../../host/ssh.js';
import { managedInstance } from '../../instance/access.js';
import { screenPort } from '../../layers/l2-own.js';
import { instancePaths } from '../../state/paths.js';
import { findRoots } from '../../state/roots.js';
import { readRecord } from '../../state/record.js';
import type { CliContext } from '../context.js';
import { printJson, printLinesTo } from '../output.js';

const pictureLimitMs = 60_000;

/** @throws VsbError E_INSTANCE_NOT_RUNNING, E_USAGE without a screen, E_SSH, E_FILE; the signal's reason */
export async function writeScreen(context: CliContext, file: string, json: boolean): Promise<void> {
  const l1 = await screenHost(context);
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(pictureLimitMs)]);
  const remote = await openScreen(l1, signal);
  let picture: Picture;
  try {
    picture = await takePicture({ input: remote.channel, output: remote.channel });
  } catch (error) {
    context.signal.throwIfAborted();
    throw new VsbError('E_SSH', `no picture of L2's screen: ${messageOf(error)}`, {
      layer: 'L1',
      cause: error,
    });
  } finally {
    remote.destroy();
  }
  const { width, height, pixels } = picture;
  try {
    await writeFile(file, encodePng(width, height, pixels));
  } catch (error) {
    throw fileError('the picture cannot be written', error);
  }
  if (json) printJson(context, { schemaVersion: 1, file: resolve(file), width, height });
}

/** @throws VsbError as writeScreen does; the signal's reason, at the end */
export async function serveScreen(context: CliContext, socket: string): Promise<void> {
  const l1 = await screenHost(context);
  const { signal } = context;
  const server = createServer((client) => {
    client.on('error', () => undefined); // 'close' follows
    openScreen(l1, signal).then(
      ({ channel, destroy, closed }) => {
        client.pipe(channel).pipe(client);
        client.once('close', destroy);
        void closed.then(() => client.destroy());
      },
      (error: unknown) => {
        printLinesTo(context.stderr, [messageOf(error)]);
        client.destroy();
      },
    );
  });
  try {
    server.listen(socket);
    await once(server, 'listening');
    await chmod(socket, 0o600);
  } catch (error) {
    throw new VsbError('E_FILE', `cannot listen at ${socket}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  context.doing(`serving L2's screen at ${socket}`);
  if (!context.global.quiet) context.stderr.write(`VNC at ${resolve(socket)}; Ctrl-C ends it\n`);
  try {
    await once(signal, 'abort');
    signal.throwIfAborted();
  } finally {
    server.close();
    await rm(socket, { force: true });
  }
}

async function screenHost(context: CliContext): Promise<SshTarget> {
  const { name } = context.global;
  const { management } = await managedInstance(name, context.signal);
  const record = await readRecord(instancePaths(name, findRoots()));
  if (record?.config.l2.screen === true) return management.l1;
  throw new VsbError('E_USAGE', 'L2 has no screen', {
    hint: 'A system of l2.disk gets one with "l2": {"screen": true}, at the next `vsbypass up`.',
  });
}

/** The forwarding of ports is off in dom0's SSH server; its `nc` does as well. */
async function openScreen(l1: SshTarget, signal: AbortSignal): Promise<RemoteCommand> {
  return await openRemote(l1, `exec nc 127.0.0.1 ${screenPort}`, { signal });
}
