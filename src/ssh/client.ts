/**
 * Management of L1's dom0 and of L2 by SSH: one connection for one command. The host key is the one
 * that the instance itself put there; ssh2 would accept any without `hostVerifier`.
 */
import type { ClientChannel } from 'ssh2';

import { VsbError, messageOf } from '../errors/index.js';

export interface SshTarget {
  /** For messages: `L1` or `L2`. */
  readonly layer: 'L1' | 'L2';
  readonly host: string;
  readonly port: number;
  /** OpenSSH private key. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA...`: the only host key accepted. */
  readonly hostKeyLine: string;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** For connecting and running together, default 30 s. */
  readonly timeoutMs?: number;
  readonly stdin?: string | Buffer;
}

export interface RunResult {
  /** Exit code; 128 + n is what a shell makes of signal n, 255 when the other side gave none. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

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
  const pinned = target.hostKeyLine.split(' ')[1];
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
            else fail(messageOf(error), error);
          });
        })
        .on('error', (error) =>
          fail(otherHostKey ? 'it shows another host key than its own' : messageOf(error), error),
        )
        .on('close', () => fail('the connection was closed'))
        .connect({
          host: target.host,
          port: target.port,
          username: 'root',
          privateKey: target.privateKey,
          readyTimeout: timeoutMs,
          hostVerifier: (key: Buffer) => {
            otherHostKey = key.toString('base64') !== pinned;
            return !otherHostKey;
          },
        });
    });
  } finally {
    release.abort();
    client.destroy();
  }
}

function collect(
  channel: ClientChannel,
  stdin: string | Buffer | undefined,
  resolve: (result: RunResult) => void,
  fail: (what: string) => void,
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
    resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
  );
  channel.end(stdin ?? '');
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
