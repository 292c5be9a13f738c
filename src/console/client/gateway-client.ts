/**
 * Our own client of the gateway: the secure console. The gateway's host key is pinned: another key
 * ends the attempt before anything is sent.
 */
import type { Client, ClientChannel, ConnectConfig } from 'ssh2';

import {
  errnoOf,
  ExitCode,
  isErrorCode,
  messageOf,
  VsbError,
  type ErrorCode,
} from '../../base/errors.js';
import type { ScreenSize } from '../../base/terminal-size.js';
import {
  attachCommand,
  BREAK_SIGNAL,
  IDLE_STATUS,
  REFUSAL,
  TOO_MANY_LOGINS,
  type AttachRequest,
} from '../../contract/gateway.js';
import { fingerprintOf } from '../../formats/keys/key-files.js';
import type { ConsoleConnection } from '../connection.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** A sign of life from the gateway after so long a silence, and how many may be missed. */
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_MISSES = 3;
/** Longest answer to a verb, bytes; the whole history may be one. */
const MAX_ANSWER = 512 * 1024 * 1024;

export interface GatewayLogin {
  host: string;
  port: number;
  vm: string;
  /** `SHA256:...`; nothing but this key is accepted. */
  hostKeyFingerprint: string;
  /** OpenSSH private key. Either this or the agent. */
  privateKeyPem?: string;
  /** Path of an SSH agent's socket. */
  agent?: string;
  signal: AbortSignal;
}

export interface ConsoleTarget extends GatewayLogin {
  attach: AttachRequest;
  /** The user's terminal, if there is one. */
  size?: ScreenSize | undefined;
}

/** A connection that is logged in. */
interface Login {
  readonly client: Client;
  readonly closed: Promise<void>;
  /** What broke it, if something did. */
  readonly lost: () => Error | undefined;
}

/**
 * Connects, checks the host key, logs in and opens the console.
 * @throws VsbError E_CONSOLE_UNREACHABLE, E_CONSOLE_AUTH, E_CONSOLE_HOST_KEY, E_CONSOLE_KEY; the signal's
 *   reason when it is aborted
 */
export async function connectGateway(target: ConsoleTarget): Promise<ConsoleConnection> {
  const { vm, attach, size } = target;
  const login = await logIn(target);
  const { client, closed } = login;
  let status: number | undefined;
  let channelError: Error | undefined;
  const channel = await execute(login, target, attachCommand(attach), size, (opened) => {
    // At once: the gateway's refusal may be in the same packet as the confirmation.
    opened.once('exit', (code: unknown) => {
      status = typeof code === 'number' ? code : undefined;
    });
    opened.on('close', () => client.end());
    opened.on('error', (error: Error) => {
      channelError = error;
    });
  });

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
    sendBreak: () => channel.signal(BREAK_SIGNAL),
    resize: ({ columns, rows }) => channel.setWindow(rows, columns, 0, 0),
    ask: async (verb, terminal) => await answer(login, target, verb, terminal),
    close: async (limitMs) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        client.destroy();
      }, limitMs);
      // The end of its input is no news to one that only watches (`ssh -n`).
      if (attach.as === 'watch') channel.close();
      else channel.end();
      await closed;
      clearTimeout(timer);
      return !late;
    },
    destroy: () => void client.destroy(),
    refused: () => notices.startsWith(REFUSAL),
    checkEnd: () => {
      if (status === ExitCode.ok) return;
      const refusal = refusalError(notices);
      if (refusal !== undefined) throw refusal;
      const said = notices.replace(/[\r\n]+/g, ' ').trim();
      const cause = login.lost() ?? channelError;
      const reason = said || (cause === undefined ? 'the connection was cut' : messageOf(cause));
      const message = `the console session ended: ${reason}`;
      if (status === IDLE_STATUS) {
        const hint = 'the limit is `console.idleSeconds` of the configuration';
        throw new VsbError('E_CONSOLE_IDLE', message, { layer: 'console', hint });
      }
      throw new VsbError('E_CONSOLE_CLOSED', message, {
        layer: 'console',
        hint: '`vsbypass status` shows what still runs',
      });
    },
  };
}

/**
 * Asks the gateway one thing (a verb) over a connection of its own.
 * @throws VsbError as connectGateway does, and what the gateway refuses it with
 */
export async function askGateway(target: GatewayLogin, verb: string): Promise<Buffer> {
  const login = await logIn(target);
  try {
    return await answer(login, target, verb, undefined);
  } finally {
    login.client.destroy();
  }
}

async function logIn(target: GatewayLogin): Promise<Login> {
  const { host, port, vm, signal } = target;
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
  try {
    await new Promise<void>((resolve, reject) => {
      client.on('error', (error) => {
        lost = error;
        reject(error);
      });
      void closed.then(() => reject(lost ?? new Error('the gateway closed the connection')));
      client.once('ready', resolve);
      client.connect(config);
    });
  } catch (error) {
    client.destroy();
    signal.throwIfAborted();
    throw connectError(error, target, offered);
  }
  client.setNoDelay(true);
  return { client, closed, lost: () => lost };
}

/** Opens a channel with an exec request; `onOpen` sees it before anything of it is read. */
async function execute(
  { client, closed, lost }: Login,
  target: GatewayLogin,
  command: string,
  size: ScreenSize | undefined,
  onOpen: (channel: ClientChannel) => void = () => {},
): Promise<ClientChannel> {
  const pty = size === undefined ? {} : { pty: { cols: size.columns, rows: size.rows } };
  try {
    return await new Promise<ClientChannel>((resolve, reject) => {
      void closed.then(() => reject(lost() ?? new Error('the gateway closed the connection')));
      client.exec(command, pty, (error, channel) => {
        if (error !== undefined) return reject(error);
        onOpen(channel);
        resolve(channel);
      });
    });
  } catch (error) {
    client.destroy();
    target.signal.throwIfAborted();
    throw connectError(error, target, undefined);
  }
}

/** Asks a verb and reads its answer. */
async function answer(
  login: Login,
  target: GatewayLogin,
  verb: string,
  size: ScreenSize | undefined,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  let said = '';
  let status: number | undefined;
  const channel = await execute(login, target, verb, size, (opened) => {
    opened.once('exit', (code: unknown) => {
      status = typeof code === 'number' ? code : undefined;
    });
  });
  channel.stderr.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-4096)));
  channel.on('data', (bytes: Buffer) => {
    length += bytes.length;
    if (length > MAX_ANSWER) channel.close();
    else parts.push(bytes);
  });
  await new Promise<void>((resolve) => channel.once('close', () => resolve()));
  if (status === ExitCode.ok) return Buffer.concat(parts);
  const message = 'the gateway did not answer';
  throw refusalError(said) ?? new VsbError('E_CONSOLE_CLOSED', message, { layer: 'console' });
}

/** `vsbypass: no such thing [E_CODE]` as the error that it was. */
function refusalError(said: string): VsbError | undefined {
  if (!said.startsWith(REFUSAL)) return undefined;
  const text = said.slice(REFUSAL.length).trim();
  const match = /^(.*) \[(E_[A-Z_]+)\]$/s.exec(text);
  const code = match?.[2] ?? '';
  const known = isErrorCode(code) ? code : 'E_CONSOLE_REFUSED';
  return new VsbError(known, match?.[1] ?? text, { layer: 'console' });
}

/** Says what went wrong before the console was there. */
function connectError(cause: unknown, target: GatewayLogin, offered: string | undefined): VsbError {
  const { host, port, vm, hostKeyFingerprint } = target;
  const where = `${host} port ${port}`;
  const make = (code: ErrorCode, message: string, hint: string): VsbError =>
    new VsbError(code, message, { layer: 'console', hint, cause });
  if (offered !== undefined && offered !== hostKeyFingerprint) {
    const message = `the SSH gateway at ${where} shows the host key ${offered}, but this instance's is ${hostKeyFingerprint}`;
    const hint = 'another program listens there, or somebody is in between: nothing was sent';
    return make('E_CONSOLE_HOST_KEY', message, hint);
  }
  const { level, code } = (cause instanceof Error ? cause : {}) as {
    level?: unknown;
    code?: unknown;
  };
  if (level === 'client-authentication' || code === TOO_MANY_LOGINS) {
    const refused =
      target.agent === undefined ? 'this key' : 'any of the keys that the agent offered';
    return make(
      'E_CONSOLE_AUTH',
      `the SSH gateway does not accept ${refused} for '${vm}'`,
      code === TOO_MANY_LOGINS
        ? 'it hears out no more keys on one connection: `--identity FILE` offers just one'
        : "use the instance's own key, one from its configuration, or one that was granted",
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
