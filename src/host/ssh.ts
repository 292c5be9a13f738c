/**
 * Management of L1's dom0 and of L2 by SSH: one connection for one command. The host key is the one
 * that the instance itself put there; ssh2 would accept any without `hostVerifier`.
 */
import type { ClientChannel, ConnectConfig } from 'ssh2';

import { VsbError, messageOf } from '../base/errors.js';
import { oneLine } from '../formats/ansi.js';
import { hostKeyAlgorithms } from '../formats/keys/host-key.js';

export interface SshTarget {
  /** For messages: `L1` or `L2`. */
  readonly layer: 'L1' | 'L2';
  readonly host: string;
  readonly port: number;
  /** root where none is named. */
  readonly user?: string | undefined;
  /** OpenSSH private key. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA...`: the only host key accepted. Undefined: any is, as nothing is known of the other side. */
  readonly hostKeyLine: string | undefined;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** For connecting and running together, default 30 s. */
  readonly timeoutMs?: number;
  /** Asked for when the command runs, where it is of that moment. */
  readonly stdin?: Stdin;
}

export interface RunResult {
  /** Exit code; 128 + n is what a shell makes of signal n, 255 when the other side gave none. */
  readonly code: number;
  readonly stdout: Buffer;
  /** As messages may have it: one line, printable, of bounded length. */
  readonly stderr: string;
}

type Stdin = string | Buffer | (() => Promise<string>);

/** Output beyond this is an error: nothing that we ask for is that long. */
const maximumOutputBytes = 64 * 1024 * 1024;

/**
 * Runs one command as root and returns what it printed, whatever its exit code.
 *
 * @throws VsbError E_SSH: no connection, another host key, refused, no end within the deadline; the
 *   signal's reason when it aborts
 */
export async function runRemote(
  target: SshTarget,
  command: string,
  options: RunOptions = {},
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const { default: ssh2 } = await import('ssh2');
  options.signal?.throwIfAborted();
  const client = new ssh2.Client();
  const release = new AbortController();
  const timeoutMs = options.timeoutMs ?? 30_000;
  let otherHostKey = false;
  try {
    return await new Promise<RunResult>((resolve, reject) => {
      const fail = (what: string, cause?: unknown): void => reject(sshError(target, what, cause));
      const timer = setTimeout(
        () => fail(`\`${command}\` did not end within ${timeoutMs / 1000} s`),
        timeoutMs,
      );
      const onAbort = (): void => {
        const reason: unknown = options.signal?.reason;
        reject(reason instanceof Error ? reason : new VsbError('E_INTERRUPTED', 'interrupted'));
      };
      options.signal?.addEventListener('abort', onAbort, { signal: release.signal });
      release.signal.addEventListener('abort', () => clearTimeout(timer));
      client
        .on('ready', () => {
          client.exec(command, (error, channel) => {
            if (error === undefined) collect(channel, options.stdin, resolve, fail);
            else fail(complaintOf(error), error);
          });
        })
        .on('error', (error) =>
          fail(otherHostKey ? 'it shows another host key than its own' : complaintOf(error), error),
        )
        .on('close', () => fail('the connection was closed'));
      const config = connectConfig(target, timeoutMs, () => {
        otherHostKey = true;
      });
      try {
        client.connect(config).setNoDelay(true);
      } catch (error) {
        // A key that it cannot read it throws at once.
        fail(messageOf(error), error);
      }
    });
  } finally {
    release.abort();
    client.destroy();
  }
}

/** A command that runs on the other side, with its standard input and output. */
export interface RemoteCommand {
  readonly channel: ClientChannel;
  /** Resolves when the connection is over, for whatever reason; with the exit code if there was one. */
  readonly closed: Promise<number | undefined>;
  /** Cuts the connection. */
  readonly destroy: () => void;
}

/**
 * Starts one command as root, over a connection of its own, and leaves the talking to the caller.
 *
 * @throws VsbError E_SSH, and the signal's reason, as runRemote does; later the signal cuts the connection
 */
export async function openRemote(
  target: SshTarget,
  command: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<RemoteCommand> {
  const { signal } = options;
  signal.throwIfAborted();
  const { default: ssh2 } = await import('ssh2');
  signal.throwIfAborted();
  const client = new ssh2.Client();
  let otherHostKey = false;
  let code: number | undefined;
  const onAbort = (): void => void client.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  const closed = new Promise<number | undefined>((resolve) => {
    client.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(code);
    });
  });
  try {
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      client
        .once('ready', () => {
          client.exec(command, (error, opened) => {
            if (error !== undefined) return reject(error);
            opened.once('exit', (exitCode: number | null) => (code = exitCode ?? undefined));
            opened.once('close', () => client.end());
            opened.on('error', () => undefined); // 'close' follows
            resolve(opened);
          });
        })
        .on('error', reject)
        .connect(
          connectConfig(target, options.timeoutMs ?? 30_000, () => {
            otherHostKey = true;
          }),
        )
        .setNoDelay(true);
      void closed.then(() => reject(new Error('the connection was closed')));
    });
    return { channel, closed, destroy: onAbort };
  } catch (error) {
    client.destroy();
    signal.throwIfAborted();
    const what = otherHostKey ? 'it shows another host key than its own' : complaintOf(error);
    throw sshError(target, what, error);
  }
}

function connectConfig(
  target: SshTarget,
  timeoutMs: number,
  onOtherHostKey: () => void,
): ConnectConfig {
  const { hostKeyLine } = target;
  const pinned = hostKeyLine?.split(' ')[1];
  return {
    host: target.host,
    port: target.port,
    username: target.user ?? 'root',
    privateKey: target.privateKey,
    // Without asking first what else would do: a round trip of its own.
    authHandler: ['publickey'],
    readyTimeout: timeoutMs,
    ...(hostKeyLine === undefined
      ? {}
      : { algorithms: { serverHostKey: hostKeyAlgorithms(hostKeyLine) } }),
    hostVerifier: (key: Buffer) => {
      const same = hostKeyLine === undefined || key.toString('base64') === pinned;
      if (!same) onOtherHostKey();
      return same;
    },
  };
}

function collect(
  channel: ClientChannel,
  stdin: Stdin | undefined,
  resolve: (result: RunResult) => void,
  fail: (what: string, cause?: unknown) => void,
): void {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let bytes = 0;
  let code = 255;
  const take = (parts: Buffer[], chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maximumOutputBytes) fail(`its output is longer than ${maximumOutputBytes} bytes`);
    else parts.push(chunk);
  };
  channel.on('data', (chunk: Buffer) => take(stdout, chunk));
  channel.stderr.on('data', (chunk: Buffer) => take(stderr, chunk));
  channel.on('exit', (exitCode: number | null) => {
    code = exitCode ?? 255;
  });
  channel.on('close', () =>
    resolve({
      ...{ code, stdout: Buffer.concat(stdout) },
      stderr: oneLine(Buffer.concat(stderr).toString()),
    }),
  );
  if (typeof stdin === 'function') {
    stdin().then(
      (text) => channel.end(text),
      (error: unknown) => fail(messageOf(error), error),
    );
  } else channel.end(stdin ?? '');
}

/** The other side may have said it, in a message that disconnects (RFC 4253, 11.1) or refuses a channel (RFC 4254, 5.1). */
function complaintOf(error: unknown): string {
  return oneLine(messageOf(error));
}

function sshError(target: SshTarget, what: string, cause?: unknown): VsbError {
  return new VsbError('E_SSH', `management of ${target.layer} by SSH: ${what}`, {
    layer: target.layer,
    hint: `\`vsbypass logs ${target.layer.toLowerCase()}\` shows whether it is up.`,
    cause,
  });
}

/** One word for a POSIX shell. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
