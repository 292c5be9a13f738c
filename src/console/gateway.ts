/**
 * The SSH gateway: stock OpenSSH, and our own client, reach a VM's console as user `<vm>`. One thing
 * only is on offer, a `shell` that is the console: no commands, no subsystems, no forwarding.
 * Nothing of what passes through is ever logged.
 */
import { EventEmitter } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

import type { AuthContext, Connection, ServerChannel, Session as SshSession } from 'ssh2';

import { errnoOf, ExitCode, messageOf, VsbError } from '../errors/index.js';
import { decide, parseAuthorizedKeys, type AuthorizedKey } from './gateway-auth.js';
import { BREAK_SIGNAL, HISTORY_VARIABLE, REFUSAL } from './gateway-protocol.js';
import type { ConsoleHub } from './hub.js';
import type { Session } from './session.js';
import { patchConnection } from './ssh2-patch.js';

/** What the gateway reports; never anything that was typed or printed. */
export type GatewayEvent =
  | { readonly type: 'listening'; readonly host: string; readonly port: number }
  | { readonly type: 'key-ignored'; readonly line: number; readonly reason: string }
  | { readonly type: 'connection-dropped'; readonly peer: string; readonly reason: string }
  | { readonly type: 'auth-failed'; readonly peer: string; readonly attempts: number }
  | {
      readonly type: 'auth-accepted';
      readonly peer: string;
      readonly vm: string;
      readonly key: string;
    }
  | {
      readonly type: 'session-refused';
      readonly peer: string;
      readonly vm: string;
      readonly reason: string;
    }
  | {
      readonly type: 'session-opened';
      readonly peer: string;
      readonly vm: string;
      readonly key: string;
    }
  | {
      readonly type: 'session-closed';
      readonly peer: string;
      readonly vm: string;
      readonly reason: string;
      /** Output bytes that the session was too slow for. */
      readonly missed: number;
    };

export interface GatewayLimits {
  /** Console sessions at one time. */
  maxSessions: number;
  /** Connections that have not authenticated yet; beyond it the oldest one is dropped. */
  maxUnauthenticated: number;
  /** Time to authenticate, milliseconds from the connection on. */
  loginGraceMs: number;
  /** Refused requests before the connection is dropped. */
  maxAuthTries: number;
  /** A refusal takes this long, whatever its reason, milliseconds. */
  authFailureDelayMs: number;
}

const defaultLimits: GatewayLimits = {
  maxSessions: 128,
  maxUnauthenticated: 16,
  loginGraceMs: 20_000,
  maxAuthTries: 6,
  authFailureDelayMs: 300,
};

export interface GatewayOptions {
  /** OpenSSH private key, Ed25519. */
  hostKeyPem: string;
  /** OpenSSH public key lines; those who have one of the keys may use all consoles. */
  authorizedKeys: readonly string[];
  hub: ConsoleHub;
  /** Port 0: any free one. */
  listen: { host: string; port: number };
  log?: (event: GatewayEvent) => void;
  limits?: Partial<GatewayLimits>;
}

export interface GatewaySessionInfo {
  readonly vm: string;
  /** The key's comment, or its fingerprint. */
  readonly key: string;
  readonly peer: string;
  readonly since: Date;
  readonly missed: number;
}

/** Output on its way to one client: unsent by ssh2, and unsent by the kernel, bytes. */
const CHANNEL_HIGH = 128 * 1024;
const SOCKET_HIGH = 256 * 1024;
/** How long close() waits for clients to take their goodbye, milliseconds. */
const GOODBYE_MS = 500;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #keys: readonly AuthorizedKey[];
  readonly #server = createServer({ noDelay: true });
  readonly #sockets = new Set<Socket>();
  /** Oldest first. */
  readonly #unauthenticated = new Set<Socket>();
  readonly #attachments = new Set<Attachment>();
  #port = 0;

  constructor(options: GatewayOptions, keys: readonly AuthorizedKey[]) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#keys = keys;
  }

  get port(): number {
    return this.#port;
  }

  sessions(): GatewaySessionInfo[] {
    return [...this.#attachments].map((attachment) => attachment.info());
  }

  /** Ends all sessions and connections and stops listening. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const attachment of this.#attachments) attachment.hangUp();
    for (const socket of this.#sockets) {
      socket.destroySoon();
      const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
      socket.once('close', () => clearTimeout(timer));
    }
    await closed;
  }

  /** For {@link startGateway}: serves the connections that ssh2 is given. */
  async listen(ssh2: typeof import('ssh2')): Promise<void> {
    const ssh = new ssh2.Server({
      hostKeys: [this.#options.hostKeyPem],
      ident: 'vsbypass',
      algorithms: {
        kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org'],
        serverHostKey: ['ssh-ed25519'],
        cipher: [
          'chacha20-poly1305@openssh.com',
          'aes256-gcm@openssh.com',
          'aes128-gcm@openssh.com',
        ],
        hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
        compress: ['none'],
      },
    });
    // ssh2 announces a connection once the client's version line is there; the socket is known by its port.
    const waiting = new Map<string, Socket>();
    ssh.on('connection', (connection, info) => {
      const socket = waiting.get(`${info.ip}:${info.port}`);
      if (socket === undefined) connection.end();
      else this.#onConnection(connection, socket);
    });
    ssh.on('error', () => {
      // Of its own listening socket, which is not used.
    });
    this.#server.on('connection', (socket) => {
      const peer = peerOf(socket);
      waiting.set(peer, socket);
      socket.once('close', () => waiting.delete(peer));
      this.#onSocket(socket, peer);
      ssh.injectSocket(socket);
    });
    const { host, port } = this.#options.listen;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', () => {
      // A single accept() failed (no file descriptors left): the next one may do.
    });
    this.#port = (this.#server.address() as AddressInfo).port;
    this.#log({ type: 'listening', host, port: this.#port });
  }

  #log(event: GatewayEvent): void {
    this.#options.log?.(event);
  }

  #drop(socket: Socket, peer: string, reason: string): void {
    if (socket.destroyed) return;
    this.#log({ type: 'connection-dropped', peer, reason });
    socket.destroy();
  }

  #onSocket(socket: Socket, peer: string): void {
    this.#sockets.add(socket);
    this.#unauthenticated.add(socket);
    const grace = setTimeout(() => {
      if (this.#unauthenticated.has(socket)) this.#drop(socket, peer, 'login took too long');
    }, this.#limits.loginGraceMs);
    // One listener for each session on the connection.
    socket.setMaxListeners(0);
    socket.on('error', () => {
      // Reset by the peer: 'close' follows.
    });
    socket.once('close', () => {
      clearTimeout(grace);
      this.#sockets.delete(socket);
      this.#unauthenticated.delete(socket);
    });
    if (this.#unauthenticated.size > this.#limits.maxUnauthenticated) {
      const [oldest] = this.#unauthenticated;
      if (oldest !== undefined) this.#drop(oldest, peerOf(oldest), 'too many logins at one time');
    }
  }

  #onConnection(connection: Connection, socket: Socket): void {
    const peer = peerOf(socket);
    let key: AuthorizedKey | undefined;
    let vm = '';
    let failures = 0;
    const delays = new Set<NodeJS.Timeout>();
    const attachments = new Map<SshSession, Attachment>();

    const refuse = (context: AuthContext): void => {
      failures++;
      this.#log({ type: 'auth-failed', peer, attempts: failures });
      const timer = setTimeout(() => {
        delays.delete(timer);
        context.reject(['publickey']);
        if (failures >= this.#limits.maxAuthTries) {
          this.#drop(socket, peer, 'too many failed logins');
        }
      }, this.#limits.authFailureDelayMs);
      delays.add(timer);
    };
    connection.on('authentication', (context) => {
      const decision = decide(context, this.#keys);
      if (decision.kind === 'refused') {
        if (decision.counts) refuse(context);
        else context.reject(['publickey']);
        return;
      }
      if (decision.kind === 'accepted') {
        key = decision.key;
        vm = context.username;
      }
      context.accept();
    });
    connection.on('ready', () => {
      this.#unauthenticated.delete(socket);
      this.#log({ type: 'auth-accepted', peer, vm, key: key?.label ?? '' });
    });
    connection.on('session', (accept) => {
      const session = accept();
      let from: 'start' | 'now' = 'start';
      session.on('pty', (acceptPty) => {
        // Its terminal modes are the client's business: bytes pass as they are.
        (acceptPty as (() => void) | undefined)?.();
      });
      session.on('env', (acceptEnv, rejectEnv, { key: name, val }) => {
        const known = name === HISTORY_VARIABLE && (val === 'all' || val === 'none');
        if (known) from = val === 'none' ? 'now' : 'start';
        ((known ? acceptEnv : rejectEnv) as (() => void) | undefined)?.();
      });
      session.on('shell', (acceptShell) => {
        const channel = acceptShell();
        const attachment = this.#attach(channel, socket, { vm, from, key: key?.label ?? '', peer });
        if (attachment !== undefined) attachments.set(session, attachment);
      });
      session.on('signal', (_accept, _reject, { name }) => {
        if (name === BREAK_SIGNAL) attachments.get(session)?.sendBreak();
      });
    });
    connection.on('error', (error) => {
      this.#drop(socket, peer, messageOf(error));
    });
    connection.on('close', () => {
      for (const timer of delays) clearTimeout(timer);
      for (const attachment of attachments.values()) attachment.lost();
    });
    patchConnection(connection, {
      onBreak: (session) => {
        const attachment = attachments.get(session);
        attachment?.sendBreak();
        return attachment !== undefined;
      },
      onWindowViolation: () => this.#drop(socket, peer, 'more data than the window allows'),
    });
  }

  #attach(
    channel: ServerChannel,
    socket: Socket,
    who: { vm: string; key: string; peer: string; from: 'start' | 'now' },
  ): Attachment | undefined {
    const { vm, key, peer, from } = who;
    const { hub } = this.#options;
    const refuse = (reason: string, text: string, status: number): undefined => {
      this.#log({ type: 'session-refused', peer, vm: printable(vm), reason });
      channel.stderr.write(`${REFUSAL}${text}\r\n`);
      channel.exit(status);
      channel.end();
    };
    channel.on('error', () => {
      // The connection is going; its 'close' cleans up.
    });
    const console = hub.vm(vm);
    if (console === undefined) {
      const names = hub.list().map(({ name }) => name);
      const there = names.length === 0 ? 'there are none now' : `there are: ${names.join(', ')}`;
      const text = `no VM is known as '${printable(vm)}'; ${there}`;
      return refuse('unknown VM', text, ExitCode.usage);
    }
    if (this.#attachments.size >= this.#limits.maxSessions) {
      const text = `all ${this.#limits.maxSessions} console sessions are in use`;
      return refuse('too many sessions', text, ExitCode.layer);
    }
    const session = console.openSession({ mode: 'rw', label: `${key} ${peer}`, from });
    const attachment = new Attachment(channel, socket, session, { vm, key, peer });
    this.#attachments.add(attachment);
    this.#log({ type: 'session-opened', peer, vm, key });
    attachment.once('close', (reason) => {
      this.#attachments.delete(attachment);
      this.#log({ type: 'session-closed', peer, vm, reason, missed: session.missed });
    });
    attachment.start();
    return attachment;
  }
}

/** One SSH channel joined to one console session. */
class Attachment extends EventEmitter<{ close: [reason: string] }> {
  readonly #channel: ServerChannel;
  readonly #socket: Socket;
  readonly #session: Session;
  readonly #who: { vm: string; key: string; peer: string };
  readonly #since = new Date();
  /** Output given to ssh2 that waits for the client's window, bytes. */
  #unsent = 0;
  #finished = false;

  constructor(
    channel: ServerChannel,
    socket: Socket,
    session: Session,
    who: { vm: string; key: string; peer: string },
  ) {
    super();
    this.#channel = channel;
    this.#socket = socket;
    this.#session = session;
    this.#who = who;
  }

  start(): void {
    const session = this.#session;
    session.on('readable', this.#pump);
    session.on('drain', () => this.#channel.resume());
    session.on('end', this.#pump);
    this.#socket.on('drain', this.#pump);
    this.#channel.on('data', (bytes: Buffer) => {
      if (session.ended === undefined && !session.write(bytes)) this.#channel.pause();
    });
    // The client is done typing: it still gets what the VM has printed so far.
    this.#channel.on('end', () => session.close());
    this.#channel.on('close', () => this.lost());
    this.#pump();
  }

  info(): GatewaySessionInfo {
    return { ...this.#who, since: this.#since, missed: this.#session.missed };
  }

  sendBreak(): void {
    this.#session.sendBreak().catch((error: unknown) => this.#notice(messageOf(error)));
  }

  /** The gateway is going down. */
  hangUp(): void {
    this.#finish('the gateway is going down', ExitCode.layer);
  }

  /** The client is gone. */
  lost(): void {
    this.#close('client gone');
  }

  /** Passes on what there is, as long as the client takes it. */
  readonly #pump = (): void => {
    while (!this.#finished) {
      if (this.#unsent >= CHANNEL_HIGH || this.#socket.writableLength >= SOCKET_HIGH) return;
      const chunk = this.#session.read();
      if (chunk === undefined) break;
      if (chunk.missed > 0) this.#notice(`${chunk.missed} bytes of output were missed here`);
      this.#unsent += chunk.bytes.length;
      this.#channel.write(chunk.bytes, () => {
        this.#unsent -= chunk.bytes.length;
        this.#pump();
      });
    }
    switch (this.#session.ended) {
      case 'closed':
        return this.#finish(undefined, ExitCode.ok);
      case 'vm-gone':
        return this.#finish(`VM '${this.#who.vm}' is gone`, ExitCode.layer);
      case 'hub-closed':
        return this.#finish('the gateway is going down', ExitCode.layer);
      case undefined:
    }
  };

  /** For the user, beside the VM's output. */
  #notice(text: string): void {
    if (this.#channel.writable) this.#channel.stderr.write(`\r\n[vsbypass: ${text}]\r\n`);
  }

  #finish(notice: string | undefined, status: number): void {
    if (this.#finished) return;
    if (notice !== undefined) this.#notice(notice);
    this.#channel.exit(status);
    this.#channel.end();
    this.#close(notice ?? 'detached');
  }

  #close(reason: string): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#socket.off('drain', this.#pump);
    this.#session.off('readable', this.#pump).off('end', this.#pump);
    this.#session.close();
    this.emit('close', reason);
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
}

/** A name from outside, fit for a terminal and a log. */
function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x7e]/g, '?');
}

/**
 * Starts the gateway.
 * @throws VsbError E_CONSOLE_KEY for an unusable host key, E_PORT_TAKEN or E_PERMISSION for the port
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { default: ssh2 } = await import('ssh2');
  const hostKey = ssh2.utils.parseKey(options.hostKeyPem);
  if (hostKey instanceof Error || !hostKey.isPrivateKey() || hostKey.type !== 'ssh-ed25519') {
    const message = "the gateway's host key is not an Ed25519 private key";
    throw new VsbError('E_CONSOLE_KEY', message, { layer: 'console' });
  }
  const { keys, rejected } = parseAuthorizedKeys(options.authorizedKeys, ssh2.utils.parseKey);
  for (const { line, reason } of rejected) options.log?.({ type: 'key-ignored', line, reason });
  const gateway = new Gateway(options, keys);
  try {
    await gateway.listen(ssh2);
  } catch (cause) {
    const { host, port } = options.listen;
    const code = errnoOf(cause) === 'EACCES' ? 'E_PERMISSION' : 'E_PORT_TAKEN';
    const message = `the SSH gateway cannot listen on ${host} port ${port}: ${messageOf(cause)}`;
    throw new VsbError(code, message, { layer: 'console', cause });
  }
  return gateway;
}
