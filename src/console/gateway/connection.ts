/**
 * One SSH connection: who it is, and what it asks for. A shell is the console; an exec request is a verb of
 * a closed list; everything else is refused.
 */
import type { Socket } from 'node:net';

import type { AuthContext, Connection, PseudoTtyInfo, Session as SshSession } from 'ssh2';

import { messageOf } from '../../base/errors.js';
import { believableSize } from '../../base/terminal-size.js';
import {
  BREAK_SIGNAL,
  parseVerb,
  TOO_MANY_LOGINS,
  type AttachRequest,
} from '../../contract/gateway.js';
import { decide, isQuestion, printableAscii, type Identity } from './auth.js';
import { ClientChannel, type ChannelHost, type Client } from './channel.js';
import { patchConnection, sayDisconnect } from './ssh2-patch.js';
import { Turns } from './turns.js';

/** What a connection needs of its gateway. */
export interface ConnectionHost extends ChannelHost {
  readonly maxAuthTries: number;
  readonly maxAuthQuestions: number;
  readonly authFailureDelayMs: number;
  drop(reason: string): void;
  authenticated(): void;
}

/** Channels of one connection at one time: each may hold a history. */
const MAX_CHANNELS = 32;

const plainAttach: AttachRequest = { as: 'auto', replay: undefined, sanitize: false };

export class GatewayConnection {
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #host: ConnectionHost;
  readonly #channels = new Map<SshSession, ClientChannel>();
  readonly #turns = new Turns();
  readonly #delays = new Set<NodeJS.Timeout>();
  #identity: Identity | undefined;
  #vm = '';
  #failures = 0;
  #questions = 0;

  constructor(connection: Connection, socket: Socket, peer: string, host: ConnectionHost) {
    this.#connection = connection;
    this.#socket = socket;
    this.#peer = peer;
    this.#host = host;
    connection.on('authentication', (context) => this.#onAuthentication(context));
    connection.on('ready', () => {
      host.authenticated();
      host.log({ type: 'auth-accepted', ...this.#client().who });
    });
    connection.on('session', (accept, reject) => {
      if (this.#channels.size < MAX_CHANNELS) this.#onSession(accept());
      else reject();
    });
    connection.on('error', (error) => host.drop(messageOf(error)));
    connection.on('close', () => {
      for (const timer of this.#delays) clearTimeout(timer);
      // One line for all keys of an agent, and none if one of them did.
      if (this.#identity === undefined && this.#questions > 0) this.#logFailure(this.#questions);
      for (const { attachment } of this.#channels.values()) attachment?.lost();
    });
    patchConnection(connection, {
      onBreak: (session) => this.#onBreak(session),
      onWindowViolation: () => host.drop('more data than the window allows'),
    });
  }

  /** Who is at the other end, once that is known. */
  #client(): Client {
    const identity = this.#identity;
    if (identity === undefined) throw new TypeError('nothing is served before the login');
    const { label, fingerprint } = identity;
    const vm = printableAscii(this.#host.policy.nameOf(this.#vm));
    return {
      ...{ socket: this.#socket, peer: this.#peer, vm: this.#vm, identity },
      who: { peer: this.#peer, vm, key: label, fingerprint },
      attachments: () => [...this.#channels.values()].flatMap(({ attachment }) => attachment ?? []),
      inTurn: async (job) => await this.#turns.run(this, job),
    };
  }

  #onAuthentication(context: AuthContext): void {
    const asks = isQuestion(context);
    if (asks && ++this.#questions > this.#host.maxAuthQuestions) return this.#dropLogin();
    const decision = decide(context, this.#host.policy);
    if (decision.kind === 'refused') {
      if (asks) context.reject(['publickey']);
      else this.#refuseLogin(context);
      return;
    }
    if (decision.kind === 'accepted') {
      this.#identity = decision.identity;
      this.#vm = context.username;
    }
    context.accept();
  }

  #refuseLogin(context: AuthContext): void {
    const { maxAuthTries, authFailureDelayMs } = this.#host;
    this.#failures++;
    this.#logFailure(this.#failures);
    const timer = setTimeout(() => {
      this.#delays.delete(timer);
      context.reject(['publickey']);
      if (this.#failures >= maxAuthTries) this.#dropLogin();
    }, authFailureDelayMs);
    this.#delays.add(timer);
  }

  #logFailure(attempts: number): void {
    this.#host.log({ type: 'auth-failed', peer: this.#peer, attempts });
  }

  #dropLogin(): void {
    sayDisconnect(this.#connection, TOO_MANY_LOGINS);
    this.#host.drop('too many failed logins');
  }

  #onSession(session: SshSession): void {
    const channel = new ClientChannel(this.#host, this.#client());
    this.#channels.set(session, channel);
    session.on('close', () => this.#channels.delete(session));
    session.on('pty', (accept, _reject, info: PseudoTtyInfo) => {
      // Its terminal modes are the client's business: bytes pass as they are.
      channel.terminal = true;
      channel.size = believableSize(info.cols, info.rows);
      (accept as (() => void) | undefined)?.();
    });
    session.on('window-change', (accept, _reject, info) => {
      channel.size = believableSize(info.cols, info.rows);
      (accept as (() => void) | undefined)?.();
    });
    session.on('shell', (accept) => channel.serve(accept(), { verb: 'attach', ...plainAttach }));
    session.on('exec', (accept, reject, { command }) => {
      const verb = parseVerb(command);
      if (verb === undefined) reject();
      else channel.serve(accept(), verb);
    });
    session.on('signal', (_accept, _reject, { name }) => {
      if (name === BREAK_SIGNAL) channel.attachment?.sendBreak();
    });
  }

  #onBreak(session: SshSession): boolean {
    const attachment = this.#channels.get(session)?.attachment;
    attachment?.sendBreak();
    return attachment !== undefined;
  }
}
