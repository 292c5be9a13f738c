/**
 * Our own client of the gateway: the secure console. The gateway's host key is pinned: another key
 * ends the attempt before anything is sent.
 */
import type { ClientChannel, ConnectConfig } from 'ssh2';

import { errnoOf, ExitCode, messageOf, VsbError, type ErrorCode } from '../errors/index.js';
import type { ConsoleConnection } from './connection.js';
import { BREAK_SIGNAL, HISTORY_VARIABLE, REFUSAL } from './gateway-protocol.js';
import { fingerprintOf } from './keys.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** A sign of life from the gateway after so long a silence, and how many may be missed. */
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_MISSES = 3;

export interface ConsoleTarget {
  host: string;
  port: number;
  vm: string;
  /** `SHA256:...`; nothing but this key is accepted. */
  hostKeyFingerprint: string;
  /** OpenSSH private key. Either this or the agent. */
  privateKeyPem?: string;
  /** Path of an SSH agent's socket. */
  agent?: string;
  /** What to see first: everything kept since the first boot byte, or only what comes from now on. */
  history: 'all' | 'none';
  signal: AbortSignal;
}

/**
 * Connects, checks the host key, logs in and opens the console.
 * @throws VsbError E_CONSOLE_UNREACHABLE, E_CONSOLE_AUTH, E_CONSOLE_HOST_KEY, E_CONSOLE_KEY; the signal's
 *   reason when it is aborted
 */
export async function connectGateway(target: ConsoleTarget): Promise<ConsoleConnection> {
  const { host, port, vm, signal, history } = target;
  signal.throwIfAborted();
  const { default: ssh2 } = await import('ssh2');
  const client = new ssh2.Client();
  let offered: string | undefined;
  let lost: Error | undefined;
  const config: ConnectConfig = {
    host,
    port,
    username: vm,
    readyTimeout: CONNECT_TIMEOUT_MS,
    keepaliveInterval: KEEPALIVE_MS,
    keepaliveCountMax: KEEPALIVE_MISSES,
    algorithms: { serverHostKey: ['ssh-ed25519'] },
    hostVerifier: (key: Buffer) => {
      offered = fingerprintOf(key);
      return offered === target.hostKeyFingerprint;
    },
    ...(target.privateKeyPem === undefined ? {} : { privateKey: target.privateKeyPem }),
    ...(target.agent === undefined ? {} : { agent: target.agent }),
  };
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const onAbort = (): void => void client.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  void closed.then(() => signal.removeEventListener('abort', onAbort));

  let status: number | undefined;
  let channel: ClientChannel;
  try {
    channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.on('error', (error) => {
        lost = error;
        reject(error);
      });
      void closed.then(() => reject(lost ?? new Error('the gateway closed the connection')));
      client.once('ready', () => {
        client.setNoDelay(true);
        client.shell(false, { env: { [HISTORY_VARIABLE]: history } }, (error, opened) => {
          if (error !== undefined) {
            reject(error);
            return;
          }
          // At once: the gateway's refusal may be in the same packet as the shell's confirmation.
          opened.once('exit', (code: unknown) => {
            status = typeof code === 'number' ? code : undefined;
          });
          opened.on('close', () => client.end());
          opened.on('error', (failure: Error) => {
            lost = failure;
          });
          resolve(opened);
        });
      });
      client.connect(config);
    });
  } catch (error) {
    client.destroy();
    signal.throwIfAborted();
    throw connectError(error, target, offered);
  }

  let notices = '';
  let noticeListener: ((text: string) => void) | undefined;
  channel.stderr.on('data', (bytes: Buffer) => {
    const text = bytes.toString('utf8');
    notices = (notices + text).slice(-4096);
    // A refusal becomes the error that the session ends with; a notice is shown where it belongs.
    if (!notices.startsWith(REFUSAL)) noticeListener?.(text);
  });
  return {
    title: `secure console of ${vm}`,
    channel,
    closed,
    onNotice: (listener) => {
      noticeListener = listener;
    },
    sendBreak: () => void channel.signal(BREAK_SIGNAL),
    close: async (limitMs) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        client.destroy();
      }, limitMs);
      channel.end();
      await closed;
      clearTimeout(timer);
      return !late;
    },
    destroy: () => void client.destroy(),
    refused: () => notices.startsWith(REFUSAL),
    checkEnd: () => {
      if (status === ExitCode.ok) return;
      const said = notices
        .replace(REFUSAL, '')
        .replace(/[\r\n]+/g, ' ')
        .trim();
      if (status === ExitCode.usage) throw new VsbError('E_VM_UNKNOWN', said, { layer: 'console' });
      const reason = said || (lost === undefined ? 'the connection was cut' : messageOf(lost));
      throw new VsbError('E_CONSOLE_CLOSED', `the console session ended: ${reason}`, {
        layer: 'console',
        hint: '`vsbypass status` shows what still runs',
      });
    },
  };
}

/** Says what went wrong before the console was there. */
function connectError(
  cause: unknown,
  target: ConsoleTarget,
  offered: string | undefined,
): VsbError {
  const { host, port, vm, hostKeyFingerprint } = target;
  const where = `${host} port ${port}`;
  const make = (code: ErrorCode, message: string, hint: string): VsbError =>
    new VsbError(code, message, { layer: 'console', hint, cause });
  if (offered !== undefined && offered !== hostKeyFingerprint) {
    const message = `the SSH gateway at ${where} shows the host key ${offered}, but this instance's is ${hostKeyFingerprint}`;
    const hint = 'another program listens there, or somebody is in between: nothing was sent';
    return make('E_CONSOLE_HOST_KEY', message, hint);
  }
  const level = cause instanceof Error && 'level' in cause ? cause.level : undefined;
  if (level === 'client-authentication') {
    const message = `the SSH gateway does not accept this key for '${vm}'`;
    return make(
      'E_CONSOLE_AUTH',
      message,
      "use the instance's own key, or one from its configuration",
    );
  }
  if (level === 'agent') {
    return make(
      'E_CONSOLE_KEY',
      `the SSH agent does not answer: ${messageOf(cause)}`,
      'see ssh-add -l',
    );
  }
  const message = `cannot reach the SSH gateway at ${where}: ${errnoOf(cause) ?? messageOf(cause)}`;
  return make(
    'E_CONSOLE_UNREACHABLE',
    message,
    '`vsbypass status` shows whether the instance runs',
  );
}
