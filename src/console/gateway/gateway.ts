/**
 * The SSH gateway: stock OpenSSH, and our own client, reach a VM's console as user `<vm>`. A shell is the
 * console, an exec request one of a closed list of verbs: no commands, no subsystems, no forwarding.
 * Nothing of what passes through is ever logged.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';

import type { Connection } from 'ssh2';

import { errnoOf, messageOf, VsbError } from '../../base/errors.js';
import { AccessList, type Grant } from './access.js';
import type { Attachment } from './attachment.js';
import { parseAuthorizedKeys, type AuthPolicy } from './auth.js';
import type { ConsoleDirectory } from './channel.js';
import { GatewayConnection } from './connection.js';
import type { GatewayEvent, Who } from './events.js';
import { Pacer } from './pacer.js';
import { RateLimit } from './rate-limit.js';
import { ScreenRenderer } from './screen.js';

export type { GatewayEvent } from './events.js';

export interface GatewayLimits {
  /** Console sessions at one time. */
  maxSessions: number;
  /** Connections that have not authenticated yet; beyond it the oldest one is dropped. */
  maxUnauthenticated: number;
  /** Time to authenticate, milliseconds from the connection on. */
  loginGraceMs: number;
  /** Refused attempts before the connection is dropped. */
  maxAuthTries: number;
  /** Questions which methods and keys would do, on one connection: an agent asks for each key. */
  maxAuthQuestions: number;
  /** The refusal of an attempt takes this long, whatever its reason, milliseconds. */
  authFailureDelayMs: number;
  /** Connections of one address: so many at once, then so many a second. */
  connectionBurst: number;
  connectionsPerSecond: number;
  /** A session that may type ends after so long without a key, milliseconds; 0: never. */
  idleMs: number;
}

const defaultLimits: GatewayLimits = {
  maxSessions: 256,
  maxUnauthenticated: 128,
  loginGraceMs: 20_000,
  maxAuthTries: 6,
  maxAuthQuestions: 32,
  authFailureDelayMs: 300,
  connectionBurst: 200,
  connectionsPerSecond: 10,
  idleMs: 0,
};

export interface GatewayOptions {
  /** OpenSSH private key, Ed25519. */
  hostKeyPem: string;
  /** OpenSSH public key lines; those who have one of the keys may type at all consoles. */
  authorizedKeys: readonly string[];
  /** Who else may do what; it may change at any time. */
  access?: AccessList;
  /** Fingerprints of the authorities whose certificates are accepted. */
  authorities?: readonly string[];
  hub: ConsoleDirectory;
  /** Port 0: any free one. */
  listen: { host: string; port: number };
  log?: (event: GatewayEvent) => void;
  limits?: Partial<GatewayLimits>;
}

/** How long close() waits for clients to take their goodbye, milliseconds. */
const GOODBYE_MS = 500;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #policy: AuthPolicy;
  readonly #pacer = new Pacer();
  readonly #screens = new ScreenRenderer();
  readonly #rate: RateLimit;
  readonly #floodLog = new RateLimit(10, 0.1);
  readonly #server = createServer({ noDelay: true });
  readonly #sockets = new Set<Socket>();
  /** Oldest first. */
  readonly #unauthenticated = new Set<Socket>();
  readonly #attachments = new Set<Attachment>();
  #port = 0;

  constructor(options: GatewayOptions, access: AccessList) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const authorities = new Set(options.authorities ?? []);
    const { hub } = options;
    const nameOf = (username: string): string => hub.nameOf(username);
    this.#policy = { access, authorities, now: () => Date.now(), nameOf };
    this.#rate = new RateLimit(this.#limits.connectionBurst, this.#limits.connectionsPerSecond);
    access.on('revoked', this.#onRevoked);
  }

  get port(): number {
    return this.#port;
  }

  /** Who is at which console. */
  sessions(): Who[] {
    return [...this.#attachments].map(({ who }) => who);
  }

  /** Ends all sessions and connections and stops listening. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#policy.access.off('revoked', this.#onRevoked);
    for (const attachment of [...this.#attachments]) {
      attachment.hangUp('the gateway is going down');
    }
    this.#screens.close();
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
      if (!this.#rate.take(socket.remoteAddress ?? '')) {
        this.#refuseFlood(socket, peer);
        return;
      }
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

  /** Drops a connection; a flood of them must not flood the log. */
  #refuseFlood(socket: Socket, peer: string): void {
    socket.on('error', () => {
      // Reset by the peer: it is dropped anyway.
    });
    if (this.#floodLog.take('')) this.#drop(socket, peer, 'too many connections');
    else socket.destroy();
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
    new GatewayConnection(connection, socket, peer, {
      hub: this.#options.hub,
      policy: this.#policy,
      pacer: this.#pacer,
      screens: this.#screens,
      ...this.#limits,
      log: (event) => this.#log(event),
      drop: (reason) => this.#drop(socket, peer, reason),
      authenticated: () => void this.#unauthenticated.delete(socket),
      attached: (attachment) => {
        const { maxSessions } = this.#limits;
        if (this.#attachments.size >= maxSessions) {
          const message = `all ${maxSessions} console sessions are in use`;
          throw new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
        }
        this.#attachments.add(attachment);
        attachment.once('close', () => this.#attachments.delete(attachment));
      },
    });
  }

  /** Those whom a grant let in that was taken back. */
  readonly #onRevoked = (grant: Grant): void => {
    for (const attachment of [...this.#attachments]) {
      if (attachment.grant?.id === grant.id) attachment.hangUp('the right to be here was revoked');
    }
  };
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
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
  const access = options.access ?? new AccessList();
  for (const [index, key] of keys.entries()) {
    const always = { vm: undefined, role: 'write', expires: undefined, once: false } as const;
    access.add({ id: `instance-${index + 1}`, key, ...always, source: 'instance' });
  }
  const gateway = new Gateway(options, access);
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
