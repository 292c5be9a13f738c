/**
 * One VM's console in this page: its session with the server, from the wish for a VM to the end, and what
 * the user is told of it.
 */
import type { ServerMessage, VmView } from '../messages.js';
import { lowerCurtain, raiseCurtain } from './curtain.js';
import { byId } from './dom.js';
import { InputQueue } from './input.js';
import type { Screen } from './screen.js';
import { showSecurity } from './security-mark.js';
import { ConsoleSocket, type SocketListener } from './socket.js';
import { showWatched } from './watched-mark.js';
import { showAttached } from './who.js';

/** Pause before a console that ended is opened again, milliseconds: the first, and the longest. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 10_000;

type Ended = Extract<ServerMessage, { type: 'ended' }>;

export interface ConsoleListener {
  onInstance(name: string, vms: readonly VmView[]): void;
  onOpen(open: boolean): void;
}

export class VmConsole implements SocketListener {
  readonly #screen: Screen;
  readonly #listener: ConsoleListener;
  readonly #socket: ConsoleSocket;
  readonly #input: InputQueue;
  #vm = '';
  #vms: readonly VmView[] = [];
  /** The VM that the user has agreed to use although it is not secure. */
  #accepted: string | undefined;
  #open = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_PAUSE;
  /** The console ended because nobody typed, and nobody has opened another one. */
  #idle: Ended | undefined;

  constructor(key: string, vm: string | undefined, screen: Screen, listener: ConsoleListener) {
    this.#screen = screen;
    this.#listener = listener;
    this.#vm = vm ?? '';
    this.#socket = new ConsoleSocket(key, this);
    this.#input = new InputQueue((piece) => this.#socket.sendInput(piece));
    this.#socket.connect();
  }

  get vm(): string {
    return this.#vm;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Opens the console of that VM instead. */
  choose(vm: string): void {
    if (vm !== this.#vm) {
      this.#accepted = undefined;
      this.#screen.clear();
    }
    this.#vm = vm;
    this.#idle = undefined;
    sessionStorage.setItem('vm', vm);
    this.#markWatched();
    this.#close();
    clearTimeout(this.#timer);
    state(`Opening the console of ${vm} …`);
    this.#socket.send({ type: 'open', vm, notSecure: this.#accepted === vm });
  }

  /** Types into the VM. */
  type(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#open) state('Not connected: what is typed now goes nowhere.');
    else if (!this.#input.push(bytes)) state('Too much input waits already: this was left out.');
  }

  askWho(): void {
    this.#socket.send({ type: 'who' });
  }

  /** Types from now on, also if somebody else does. */
  take(): void {
    this.#socket.send({ type: 'take' });
  }

  sendBreak(): void {
    this.#socket.send({ type: 'break' });
    state('BREAK sent.');
  }

  sendSysRq(key: string): void {
    this.#socket.send({ type: 'sysrq', key });
    state(`SysRq ${key} sent.`);
  }

  onMessage(message: ServerMessage): void {
    switch (message.type) {
      case 'challenge':
      case 'welcome':
      case 'pong':
        // Between the sockets.
        break;
      case 'instance':
        this.#onInstance(message);
        break;
      case 'opened':
        this.#onOpened(message);
        break;
      case 'not-secure':
        this.#askNotSecure(message.vm);
        break;
      case 'notice':
        this.#onNotice(message.text);
        break;
      case 'who':
        showAttached(message.sessions);
        break;
      case 'taken':
        this.#input.taken(message.bytes);
        break;
      case 'ended':
        this.#onEnded(message);
        break;
    }
  }

  onOutput(bytes: Uint8Array, shown: () => void): void {
    this.#screen.terminal.write(bytes, shown);
  }

  onLost(pause: number): void {
    const untaken = this.#input.pending > 0;
    this.#close();
    state('The server of this page does not answer.');
    lowerCurtain({
      text: 'The connection to the server of this page is lost.',
      hint: `${untaken ? 'What was typed last may be lost. ' : ''}It is tried again in ${seconds(pause)}. The VM is not affected. Does \`vsbypass console --web\` still run?`,
      action: { label: 'Try now', run: () => this.#socket.connect() },
    });
  }

  onNotAdmitted(): void {
    this.#close();
    showNotAdmitted('The server does not know this page any more.');
  }

  onStranger(): void {
    this.#close();
    showNotAdmitted(
      'Another server answers here than the one that admitted this page. Close this tab.',
    );
  }

  #onInstance({ name, vms }: Extract<ServerMessage, { type: 'instance' }>): void {
    this.#vms = vms;
    this.#markWatched();
    this.#listener.onInstance(name, vms);
    const [first] = vms;
    if (this.#open || this.#timer !== undefined) return;
    if (this.#idle !== undefined) return this.#onEnded(this.#idle);
    const wanted = vms.find((vm) => vm.name === this.#vm) ?? first;
    if (wanted === undefined) state('This instance has no user VM.');
    else this.choose(wanted.name);
  }

  #markWatched(): void {
    showWatched(this.#vms.find(({ name }) => name === this.#vm)?.watched ?? []);
  }

  #onOpened({ vm, secure }: Extract<ServerMessage, { type: 'opened' }>): void {
    this.#input.clear();
    this.#screen.clear();
    this.#open = true;
    this.#pause = FIRST_PAUSE;
    this.#timer = undefined;
    showSecurity(secure ? 'secure' : 'not-secure', vm);
    raiseCurtain();
    state(`Connected to ${vm}.`);
    this.#listener.onOpen(true);
    this.#screen.terminal.focus();
  }

  #askNotSecure(vm: string): void {
    state(`The console of ${vm} is not secure.`);
    showSecurity('not-secure', vm);
    lowerCurtain({
      text: `COM1 of ${vm} is not shadowed.`,
      hint: 'Its console goes the way of the operator of the virtualized system, who reads all of it and can change it. `vsbypass vm hook on` takes it back.',
      action: {
        label: 'Open it all the same',
        run: () => {
          this.#accepted = vm;
          this.choose(vm);
        },
      },
    });
  }

  /** From the gateway; VM output cannot make one, as it never passes here. */
  #onNotice(text: string): void {
    // eslint-disable-next-line no-control-regex
    const plain = text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
    state(plain.replace(/^\[vsbypass: (.*)\]$/, '$1'));
    this.#screen.remark(plain);
  }

  #onEnded(ended: Ended): void {
    const { message, hint, retry } = ended;
    this.#close();
    this.#idle = ended.idle === true ? ended : undefined;
    const again = (): void => this.choose(this.#vm);
    const pause = this.#pause;
    state(message);
    lowerCurtain({
      text: message,
      hint: retry ? `It is tried again in ${seconds(pause)}. ${hint ?? ''}` : hint,
      action: { label: retry ? 'Try now' : 'Open it again', run: again },
    });
    if (!retry) return;
    this.#pause = Math.min(LONGEST_PAUSE, pause * 2);
    this.#timer = setTimeout(again, pause);
  }

  #close(): void {
    this.#open = false;
    this.#input.clear();
    showAttached([]);
    this.#listener.onOpen(false);
    showSecurity('unknown', this.#vm);
  }
}

export function showNotAdmitted(why: string): void {
  state(why);
  lowerCurtain({
    text: why,
    hint: 'Open a new link: `vsbypass console --web` prints one when it starts, and another whenever you press Enter there.',
  });
}

/** The line at the bottom, which screen readers speak. */
export function state(text: string): void {
  byId('state', HTMLParagraphElement).textContent = text;
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}
