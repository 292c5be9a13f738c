/**
 * One channel of a client that has logged in: a terminal's size, then the console itself or a verb that is answered.
 */
import type { Socket } from 'node:net';

import type { ServerChannel } from 'ssh2';

import { VsbError } from '../../base/errors.js';
import { nearestName } from '../../base/suggest.js';
import type { ScreenSize } from '../../base/terminal-size.js';
import { REFUSAL, type AttachRequest, type Verb } from '../../contract/gateway.js';
import type { ConsoleHub } from '../hub/hub.js';
import type { VmConsole } from '../hub/vm-console.js';
import { STARTED_AGAIN } from '../reset.js';
import { Sanitizer } from '../sanitize.js';
import type { Grant, Role } from './access.js';
import { Attachment } from './attachment.js';
import { printableAscii, type AuthPolicy, type Identity } from './auth.js';
import { roleOf } from './certificate.js';
import type { GatewayEvent, Who } from './events.js';
import type { Pacer } from './pacer.js';
import type { ScreenRenderer } from './screen.js';
import { mayNotType, refusalText, runVerb, verbStatus } from './verbs.js';

/** Where a gateway finds the consoles. */
export type ConsoleDirectory = Pick<ConsoleHub, 'find' | 'nameOf' | 'list'>;

/** What a channel needs of its gateway. */
export interface ChannelHost {
  readonly hub: ConsoleDirectory;
  readonly policy: AuthPolicy;
  readonly pacer: Pacer;
  readonly screens: ScreenRenderer;
  readonly idleMs: number;
  log(event: GatewayEvent): void;
  /** @throws VsbError E_CONSOLE_REFUSED when there are too many */
  attached(attachment: Attachment): void;
}

/** Whose channel it is. */
export interface Client {
  readonly socket: Socket;
  readonly peer: string;
  /** The VM that it has logged in to, as it has called it. */
  readonly vm: string;
  readonly identity: Identity;
  /** The same for people. */
  readonly who: Who;
  /** Its consoles, on this channel and on others. */
  attachments(): Attachment[];
  /** Does one job of this client at a time. */
  inTurn<T>(job: () => Promise<T>): Promise<T>;
}

/** Of a terminal that does not tell. */
const defaultSize: ScreenSize = { columns: 80, rows: 24 };

export class ClientChannel {
  readonly #host: ChannelHost;
  readonly #client: Client;
  /** Whether the client has a terminal here. */
  terminal = false;
  /** The terminal's size, where it is known. */
  size: ScreenSize | undefined;
  /** The console, once it is joined. */
  attachment: Attachment | undefined;
  #closed = false;

  constructor(host: ChannelHost, client: Client) {
    this.#host = host;
    this.#client = client;
  }

  serve(channel: ServerChannel, verb: Verb): void {
    channel.on('error', () => {
      // The connection is going; its 'close' cleans up.
    });
    channel.once('close', () => (this.#closed = true));
    try {
      if (verb.verb === 'attach') this.#attach(channel, verb);
      else this.#answer(channel, verb);
    } catch (error) {
      this.#refuse(channel, error);
    }
  }

  #refuse(channel: ServerChannel, error: unknown): void {
    const reason = refusalText(error);
    this.#host.log({ type: 'session-refused', ...this.#client.who, reason });
    channel.stderr.write(`${REFUSAL}${reason}\r\n`);
    channel.exit(verbStatus(error));
    channel.end();
  }

  #answer(channel: ServerChannel, verb: Exclude<Verb, { verb: 'attach' }>): void {
    const { console, role } = this.#admit();
    const { identity, peer, who } = this.#client;
    this.#host.log({ type: 'verb', ...who, verb: verb.verb });
    // What is typed into a verb means nothing.
    channel.resume();
    const context = {
      ...{ console, identity, peer, mayWrite: role === 'write' },
      size: this.size,
      drawScreen: async () => await this.#render(console),
    };
    const carriedOut =
      verb.verb === 'write' || verb.verb === 'redraw'
        ? this.#askOwn(verb.verb)
        : runVerb(verb, context);
    carriedOut.then(
      (answer) => {
        // A client with a terminal has it in raw mode; the history is raw bytes already.
        const cooked = this.terminal && verb.verb !== 'history';
        channel.write(cooked ? answer.toString().replaceAll('\n', '\r\n') : answer);
        channel.exit(0);
        channel.end();
        if (verb.verb === 'break') this.#host.log({ type: 'break', ...who });
      },
      (error: unknown) => this.#refuse(channel, error),
    );
  }

  /** What is asked of the sessions of this connection; their answer is what they do. */
  async #askOwn(verb: 'write' | 'redraw'): Promise<Buffer> {
    const own = this.#client.attachments();
    if (own.length === 0) {
      const message = 'this connection has no session of its own';
      throw new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
    }
    if (verb === 'write') for (const attachment of own) attachment.claim(true);
    else await Promise.all(own.map(async (attachment) => await attachment.redraw()));
    return Buffer.alloc(0);
  }

  /** The console meant, and what the key may do there now. */
  #admit(): { console: VmConsole; role: Role; grant: Grant | undefined } {
    const { policy, hub } = this.#host;
    const { vm: word, identity } = this.#client;
    const { certificate, fingerprint } = identity;
    const vm = policy.nameOf(word);
    const grant = certificate === undefined ? policy.access.find(fingerprint, vm) : undefined;
    const role = certificate === undefined ? grant?.role : roleOf(certificate, vm, policy.now());
    if (role === undefined) {
      const message = `this key may no longer use '${printableAscii(vm)}'`;
      throw new VsbError('E_CONSOLE_AUTH', message, { layer: 'console' });
    }
    const console = hub.find(word);
    if (console === undefined) throw unknownVm(word, hub, grant);
    return { console, role, grant };
  }

  #attach(channel: ServerChannel, request: AttachRequest): void {
    const { policy, pacer, idleMs } = this.#host;
    const { console, role, grant } = this.#admit();
    const { as } = request;
    if (role === 'watch' && (as === 'take' || as === 'write')) throw mayNotType(console.name);
    if (as === 'write' && console.writer !== undefined) {
      const message = `${console.writer.label} types at '${console.name}'`;
      throw new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
    }
    const replay = request.replay ?? (this.size === undefined ? 'lines' : 'screen');
    const { socket, who } = this.#client;
    const session = console.openSession({
      mode: role === 'watch' || as === 'watch' ? 'ro' : 'rw',
      label: `${who.key} ${who.peer}`,
      from: replay === 'lines' ? 'start' : 'now',
      take: as === 'take',
    });
    const attachment = new Attachment({
      ...{ channel, socket, session, who, grant, pacer, idleMs },
      sanitizer: request.sanitize ? new Sanitizer() : undefined,
      terminal: this.terminal,
      drawScreen: async (onTaken) => await this.#render(session, onTaken),
      outlivesInput: as === 'watch',
    });
    try {
      this.#host.attached(attachment);
    } catch (error) {
      session.close();
      throw error;
    }
    if (grant !== undefined) policy.access.use(grant);
    this.attachment = attachment;
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
    if (replay === 'screen') void attachment.startWithScreen();
    else attachment.start();
  }

  /**
   * The screen of a console, or of a session there, for this client's terminal.
   * @param onTaken called with what it is drawn from
   */
  async #render(
    of: Pick<VmConsole, 'history'>,
    onTaken?: (bytes: Buffer) => void,
  ): Promise<Buffer> {
    const takeBytes = (): Buffer => {
      // The time of drawing is for those who are still there.
      if (this.#closed) throw new VsbError('E_CONSOLE_CLOSED', 'the client is gone');
      const bytes = of.history.snapshot(STARTED_AGAIN);
      onTaken?.(bytes);
      return bytes;
    };
    return await this.#client.inTurn(
      async () => await this.#host.screens.render(of.history, takeBytes, this.size ?? defaultSize),
    );
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
