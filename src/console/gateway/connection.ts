/**
 * One SSH connection: who it is, and what it asks for. A shell is the console; an exec request is a verb of
 * a closed list; everything else is refused.
 */
import type { Socket } from 'node:net';

import type {
  AuthContext,
  Connection,
  PseudoTtyInfo,
  ServerChannel,
  Session as SshSession,
} from 'ssh2';

import { messageOf, VsbError } from '../../base/errors.js';
import { nearestName } from '../../base/suggest.js';
import { believableSize, type ScreenSize } from '../../base/terminal-size.js';
import {
  BREAK_SIGNAL,
  parseVerb,
  REFUSAL,
  type AttachRequest,
  type Verb,
} from '../../contract/gateway.js';
import type { ConsoleDirectory } from '../hub/hub.js';
import type { VmConsole } from '../hub/vm-console.js';
import type { Grant, Role } from './access.js';
import { Attachment } from './attachment.js';
import { decide, printableAscii, type AuthPolicy, type Identity } from './auth.js';
import { roleOf } from './certificate.js';
import type { GatewayEvent, Who } from './events.js';
import type { Pacer } from './pacer.js';
import { Sanitizer } from '../sanitize.js';
import type { ScreenRenderer } from './screen.js';
import { patchConnection } from './ssh2-patch.js';
import { mayNotType, refusalText, runVerb, verbStatus } from './verbs.js';

/** What a connection needs of its gateway. */
export interface ConnectionHost {
  readonly hub: ConsoleDirectory;
  readonly policy: AuthPolicy;
  readonly pacer: Pacer;
  readonly screens: ScreenRenderer;
  readonly maxAuthTries: number;
  readonly authFailureDelayMs: number;
  readonly idleMs: number;
  log(event: GatewayEvent): void;
  drop(reason: string): void;
  authenticated(): void;
  /** @throws VsbError E_CONSOLE_REFUSED when there are too many */
  attached(attachment: Attachment): void;
}

/** One channel's circumstances, collected from the requests that come before the shell. */
interface ChannelState {
  terminal: boolean;
  size: ScreenSize | undefined;
  attachment: Attachment | undefined;
}

/** Of a terminal that does not tell. */
const defaultSize: ScreenSize = { columns: 80, rows: 24 };

/** Channels of one connection at one time: each may hold a history. */
const MAX_CHANNELS = 32;

const plainAttach: AttachRequest = { as: 'auto', replay: undefined, sanitize: false };

export class GatewayConnection {
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #host: ConnectionHost;
  readonly #channels = new Map<SshSession, ChannelState>();
  readonly #delays = new Set<NodeJS.Timeout>();
  #identity: Identity | undefined;
  #vm = '';
  #failures = 0;

  constructor(connection: Connection, socket: Socket, peer: string, host: ConnectionHost) {
    this.#socket = socket;
    this.#peer = peer;
    this.#host = host;
    connection.on('authentication', (context) => this.#onAuthentication(context));
    connection.on('ready', () => {
      host.authenticated();
      host.log({ type: 'auth-accepted', ...this.#who() });
    });
    connection.on('session', (accept, reject) => {
      if (this.#channels.size < MAX_CHANNELS) this.#onSession(accept());
      else reject();
    });
    connection.on('error', (error) => host.drop(messageOf(error)));
    connection.on('close', () => {
      for (const timer of this.#delays) clearTimeout(timer);
      for (const { attachment } of this.#channels.values()) attachment?.lost();
    });
    patchConnection(connection, {
      onBreak: (session) => this.#onBreak(session),
      onWindowViolation: () => host.drop('more data than the window allows'),
    });
  }

  #who(): Who {
    const { label, fingerprint } = this.#me();
    const vm = printableAscii(this.#host.policy.nameOf(this.#vm));
    return { peer: this.#peer, vm, key: label, fingerprint };
  }

  #me(): Identity {
    if (this.#identity === undefined) throw new TypeError('nothing is served before the login');
    return this.#identity;
  }

  #onAuthentication(context: AuthContext): void {
    const decision = decide(context, this.#host.policy);
    if (decision.kind === 'refused') {
      if (decision.counts) this.#refuseLogin(context);
      else context.reject(['publickey']);
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
    this.#host.log({ type: 'auth-failed', peer: this.#peer, attempts: this.#failures });
    const timer = setTimeout(() => {
      this.#delays.delete(timer);
      context.reject(['publickey']);
      if (this.#failures >= maxAuthTries) this.#host.drop('too many failed logins');
    }, authFailureDelayMs);
    this.#delays.add(timer);
  }

  #onSession(session: SshSession): void {
    const state: ChannelState = { terminal: false, size: undefined, attachment: undefined };
    this.#channels.set(session, state);
    session.on('close', () => this.#channels.delete(session));
    session.on('pty', (accept, _reject, info: PseudoTtyInfo) => {
      // Its terminal modes are the client's business: bytes pass as they are.
      state.terminal = true;
      state.size = believableSize(info.cols, info.rows);
      (accept as (() => void) | undefined)?.();
    });
    session.on('window-change', (accept, _reject, info) => {
      state.size = believableSize(info.cols, info.rows);
      (accept as (() => void) | undefined)?.();
    });
    session.on('shell', (accept) =>
      this.#serve(accept(), state, { verb: 'attach', ...plainAttach }),
    );
    session.on('exec', (accept, reject, { command }) => {
      const verb = parseVerb(command);
      if (verb === undefined) reject();
      else this.#serve(accept(), state, verb);
    });
    session.on('signal', (_accept, _reject, { name }) => {
      if (name === BREAK_SIGNAL) state.attachment?.sendBreak();
    });
  }

  #onBreak(session: SshSession): boolean {
    const attachment = this.#channels.get(session)?.attachment;
    attachment?.sendBreak();
    return attachment !== undefined;
  }

  #serve(channel: ServerChannel, state: ChannelState, verb: Verb): void {
    channel.on('error', () => {
      // The connection is going; its 'close' cleans up.
    });
    try {
      if (verb.verb === 'attach') this.#attach(channel, state, verb);
      else this.#answer(channel, state, verb);
    } catch (error) {
      this.#refuse(channel, error);
    }
  }

  #refuse(channel: ServerChannel, error: unknown): void {
    const reason = refusalText(error);
    this.#host.log({ type: 'session-refused', ...this.#who(), reason });
    channel.stderr.write(`${REFUSAL}${reason}\r\n`);
    channel.exit(verbStatus(error));
    channel.end();
  }

  #answer(
    channel: ServerChannel,
    state: ChannelState,
    verb: Exclude<Verb, { verb: 'attach' }>,
  ): void {
    const { console, role } = this.#admit();
    const who = this.#who();
    this.#host.log({ type: 'verb', ...who, verb: verb.verb });
    // What is typed into a verb means nothing.
    channel.resume();
    if (verb.verb === 'write') {
      const own = [...this.#channels.values()].flatMap(({ attachment }) => attachment ?? []);
      if (own.length === 0) {
        const message = 'this connection has no session that could type';
        throw new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
      }
      for (const attachment of own) attachment.claim(true);
      channel.exit(0);
      channel.end();
      return;
    }
    const context = {
      ...{ console, identity: this.#me(), peer: this.#peer, mayWrite: role === 'write' },
      ...{ size: state.size, screens: this.#host.screens },
    };
    runVerb(verb, context).then(
      (answer) => {
        // A client with a terminal has it in raw mode; the history is raw bytes already.
        const cooked = state.terminal && verb.verb !== 'history';
        channel.write(cooked ? answer.toString().replaceAll('\n', '\r\n') : answer);
        channel.exit(0);
        channel.end();
        if (verb.verb === 'break') this.#host.log({ type: 'break', ...who });
      },
      (error: unknown) => this.#refuse(channel, error),
    );
  }

  /** The console meant, and what the key may do there now. */
  #admit(): { console: VmConsole; role: Role; grant: Grant | undefined } {
    const { policy, hub } = this.#host;
    const { certificate, fingerprint } = this.#me();
    const vm = policy.nameOf(this.#vm);
    const grant = certificate === undefined ? policy.access.find(fingerprint, vm) : undefined;
    const role = certificate === undefined ? grant?.role : roleOf(certificate, vm, policy.now());
    if (role === undefined) {
      const message = `this key may no longer use '${printableAscii(this.#vm)}'`;
      throw new VsbError('E_CONSOLE_AUTH', message, { layer: 'console' });
    }
    const console = hub.find(this.#vm);
    if (console === undefined) throw unknownVm(this.#vm, hub, grant);
    return { console, role, grant };
  }

  #attach(channel: ServerChannel, state: ChannelState, request: AttachRequest): void {
    const { policy, pacer, idleMs } = this.#host;
    const { console, role, grant } = this.#admit();
    const { as } = request;
    if (role === 'watch' && (as === 'take' || as === 'write')) throw mayNotType(console.name);
    if (as === 'write' && console.writer !== undefined) {
      const message = `${console.writer.label} types at '${console.name}'`;
      throw new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
    }
    const replay = request.replay ?? (state.size === undefined ? 'lines' : 'screen');
    const who = this.#who();
    const session = console.openSession({
      mode: role === 'watch' || as === 'watch' ? 'ro' : 'rw',
      label: `${who.key} ${who.peer}`,
      from: replay === 'lines' ? 'start' : 'now',
      take: as === 'take',
    });
    const attachment = new Attachment({
      ...{ channel, socket: this.#socket, session, who, grant, pacer, idleMs },
      sanitizer: request.sanitize ? new Sanitizer() : undefined,
    });
    try {
      this.#host.attached(attachment);
    } catch (error) {
      session.close();
      throw error;
    }
    if (grant !== undefined) policy.access.use(grant);
    state.attachment = attachment;
    const { writes } = session;
    this.#host.log({ type: 'session-opened', ...who, role, writes });
    attachment.on('writes', (now) =>
      this.#host.log({ type: 'session-writes', ...who, writes: now }),
    );
    attachment.on('break', () => this.#host.log({ type: 'break', ...who }));
    attachment.once('close', (reason) => {
      if (grant !== undefined) policy.access.release(grant);
      const { missed } = session;
      this.#host.log({ type: 'session-closed', ...who, reason, missed });
    });
    if (replay === 'screen') void this.#startWithScreen(attachment, console, state.size);
    else attachment.start(undefined);
  }

  /** What comes while the screen is drawn waits in the history. */
  async #startWithScreen(
    attachment: Attachment,
    console: VmConsole,
    size: ScreenSize = defaultSize,
  ): Promise<void> {
    const takeHistory = (): Buffer => {
      attachment.session.skipToNow();
      return console.history.snapshot();
    };
    try {
      attachment.start(await this.#host.screens.render(takeHistory, size));
    } catch (error) {
      attachment.start(undefined);
      attachment.notice(`no screen from before: ${messageOf(error)}`);
    }
  }
}

function unknownVm(name: string, hub: ConsoleDirectory, grant: Grant | undefined): VsbError {
  // The names of all VMs are for those who may use all of them.
  const all = grant !== undefined && grant.vm === undefined;
  const names = all ? hub.list().map((console) => console.name) : [];
  const none = all ? '; there are none now' : '';
  const there = names.length === 0 ? none : `; there are: ${names.join(', ')}`;
  const meant = nearestName(name, names);
  const question = meant === undefined ? '' : `; did you mean '${meant}'`;
  const message = `no VM is known as '${printableAscii(name)}'${question}${there}`;
  return new VsbError('E_VM_UNKNOWN', message, { layer: 'console' });
}
