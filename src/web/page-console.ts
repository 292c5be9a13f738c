/** The console that one page has open: at most one at a time, with bounded output and input under way. */
import { VsbError } from '../base/errors.js';
import type { ConsoleConnection } from '../console/connection.js';
import { whoSchema, type ServerMessage, type VmView } from './messages.js';
import { INPUT_PIECE, INPUT_WINDOW, OUTPUT_WINDOW } from './page/limits.js';
import type { ConsoleProvider } from './provider.js';

/** How long a console may take to end in an orderly way, milliseconds. */
const DETACH_MS = 1000;

/** The page, as its console needs it. */
export interface Page {
  send(message: ServerMessage): void;
  sendOutput(bytes: Buffer): void;
  /** The console is over, or could not be opened. */
  sendEnded(error: unknown): void;
  /** The page has broken the rules: it is dropped. */
  violation(reason: string): void;
}

/** The console that is open, or being opened. */
interface Open {
  readonly vm: string;
  readonly session: number;
  readonly secure: boolean;
  readonly abort: AbortController;
  connection?: ConsoleConnection;
  /** Output sent and not on the screen yet, and input not taken yet, bytes. */
  unshown: number;
  untaken: number;
  /** The gateway is being asked who is there. */
  asking: boolean;
}

export class PageConsole {
  readonly #page: Page;
  readonly #provider: ConsoleProvider;
  #open: Open | undefined;
  /** Consoles opened so far. */
  #count = 0;

  constructor(page: Page, provider: ConsoleProvider) {
    this.#page = page;
    this.#provider = provider;
  }

  /**
   * Opens the console of a VM, in place of the one that is open.
   *
   * @param notSecure whether the user takes one that L2's operator can read
   */
  async open(vm: string, notSecure: boolean): Promise<void> {
    this.leave();
    const abort = new AbortController();
    const pending: Open = {
      vm,
      session: ++this.#count,
      secure: true,
      abort,
      unshown: 0,
      untaken: 0,
      asking: false,
    };
    this.#open = pending;
    try {
      const found = await this.#provider.find(vm);
      if (this.#open !== pending) return;
      if (!found.secure && !notSecure) {
        this.#open = undefined;
        this.#page.send({ type: 'not-secure', vm });
        return;
      }
      const open: Open = { ...pending, secure: found.secure };
      this.#open = open;
      const connection = await found.open(abort.signal);
      if (this.#open !== open) {
        connection.destroy();
        return;
      }
      open.connection = connection;
      this.#page.send({ type: 'opened', vm, secure: open.secure, session: open.session });
      this.#join(open, connection);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#open = undefined;
      this.#page.sendEnded(error);
    }
  }

  /** Lets the console go that is open or being opened. */
  leave(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    if (open.connection === undefined) {
      open.abort.abort(new VsbError('E_CONSOLE_CLOSED', 'the page has left this console'));
      return;
    }
    // Output that nobody wants any more must not hold up the end.
    open.connection.channel.resume();
    void open.connection.close(DETACH_MS);
  }

  /** The VMs as they are now: a console that has changed its way ends. */
  update(vms: readonly VmView[]): void {
    const open = this.#open;
    const now = vms.find(({ name }) => name === open?.vm);
    if (open === undefined || now === undefined || now.secure === open.secure) return;
    this.leave();
    // Not another attempt by itself: what comes next may be a console that others read.
    this.#page.send({
      type: 'ended',
      message: now.secure
        ? `COM1 of ${now.name} is shadowed again: this was the operator's console`
        : `COM1 of ${now.name} has been left to L2: its console is not secure any more`,
      retry: now.secure,
    });
  }

  /** So much of that session's output is on the screen. */
  shown(session: number, bytes: number): void {
    const open = this.#open;
    // What an earlier console has printed may be shown late.
    if (open === undefined || session !== open.session) return;
    if (bytes > open.unshown) return this.#page.violation('more shown than was sent');
    open.unshown -= bytes;
    if (open.unshown < OUTPUT_WINDOW / 2) open.connection?.channel.resume();
  }

  write(bytes: Buffer): void {
    const open = this.#open;
    // Typed while the console was ending: there is nobody to take it.
    if (open?.connection === undefined || bytes.length === 0) return;
    if (bytes.length > INPUT_PIECE) return this.#page.violation('too much input at once');
    open.untaken += bytes.length;
    if (open.untaken > INPUT_WINDOW)
      return this.#page.violation('more input than the window allows');
    open.connection.channel.write(bytes, () => {
      open.untaken -= bytes.length;
      if (this.#open === open) this.#page.send({ type: 'taken', bytes: bytes.length });
    });
  }

  /** A BREAK, and a key behind it: Linux's SysRq over a serial line. */
  sendBreak(key?: string): void {
    const open = this.#open;
    open?.connection?.sendBreak();
    // Without a BREAK before it the key would be typed into whatever runs there.
    if (key !== undefined && open?.secure === true) open.connection?.channel.write(key);
  }

  /** Tells the page who is at the console, after asking the gateway a verb, if one is given. */
  ask(verb?: 'write'): void {
    if (this.#open !== undefined) void this.#ask(this.#open, verb);
  }

  #join(open: Open, connection: ConsoleConnection): void {
    const { channel } = connection;
    // Notices have a stream of their own, which does not wait for the page: each goes behind what came before it.
    const notices: { readonly text: string; readonly behind: number }[] = [];
    let sent = 0;
    const sendNotices = (upTo: number): void => {
      for (let [first] = notices; first !== undefined && first.behind <= upTo; [first] = notices) {
        notices.shift();
        this.#page.send({ type: 'notice', text: first.text });
      }
    };
    connection.onNotice((text) => {
      if (this.#open !== open) return;
      notices.push({ text, behind: sent + channel.readableLength });
      sendNotices(sent);
      // Another one may type now.
      void this.#ask(open, undefined);
    });
    void this.#ask(open, undefined);
    channel.on('data', (bytes: Buffer) => {
      if (this.#open !== open) return;
      open.unshown += bytes.length;
      if (open.unshown >= OUTPUT_WINDOW) channel.pause();
      this.#page.sendOutput(bytes);
      sent += bytes.length;
      sendNotices(sent);
    });
    void connection.closed.then(() => {
      if (this.#open !== open) return;
      sendNotices(Infinity);
      this.#open = undefined;
      try {
        connection.checkEnd();
        this.#page.sendEnded(new VsbError('E_CONSOLE_CLOSED', 'the console session is over'));
      } catch (error) {
        this.#page.sendEnded(error);
      }
    });
  }

  /** Asks the gateway a verb, if one is given, and tells the page who is at the console then. */
  async #ask(open: Open, verb: 'write' | undefined): Promise<void> {
    // L2's operator has no such lists. One question at a time: each costs the gateway a channel.
    if (!open.secure || open.connection === undefined || open.asking) return;
    open.asking = true;
    try {
      if (verb !== undefined) await open.connection.ask(verb);
      const answer = await open.connection.ask('who json');
      const { sessions } = whoSchema.parse(JSON.parse(answer.toString('utf8')));
      if (this.#open === open) this.#page.send({ type: 'who', sessions });
    } catch (error) {
      // A console that is ending says so by itself.
      if (this.#open === open && error instanceof VsbError) {
        this.#page.send({ type: 'notice', text: error.message });
      }
    } finally {
      open.asking = false;
    }
  }
}
