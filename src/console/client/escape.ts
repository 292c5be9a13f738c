/**
 * The escape character of an interactive console, as OpenSSH and its forebears have it: it counts at
 * the start of a line only, and what follows it says what to do. However the input is cut into chunks, the
 * result is the same.
 *
 * What is pasted is no command: the terminal is asked to mark pastes (`CSI 200 ~` before, `CSI 201 ~` after),
 * and within them the escape character is text. The marks go to the VM only if a program there asked for them.
 * What the terminal says by itself goes to the VM and changes nothing here: shells ask it at every prompt.
 */
import { InputSequences, type InputToken } from '../input-sequences.js';

const ETX = 0x03;
const CR = 0x0d;
const LF = 0x0a;

/** What the user can ask for. */
export type EscapeCommand =
  'detach' | 'suspend' | 'break' | 'take' | 'who' | 'status' | 'replay' | 'size' | 'help';

export type EscapeAction =
  /** Goes to the VM. */
  { readonly type: 'data'; readonly bytes: Buffer } | { readonly type: EscapeCommand };

interface Key {
  readonly key: string;
  readonly command: EscapeCommand;
  readonly shown: string;
  readonly help: string;
}

const keys: readonly Key[] = [
  {
    key: '.',
    command: 'detach',
    shown: '.',
    help: 'detach: the VM and its history stay as they are',
  },
  { key: '\x1a', command: 'suspend', shown: '^Z', help: 'suspend: `fg` comes back' },
  { key: 'B', command: 'break', shown: 'B', help: "send a BREAK to the VM's serial line" },
  { key: 't', command: 'take', shown: 't', help: 'type here: who typed before looks on' },
  { key: 'w', command: 'who', shown: 'w', help: 'who is at this console' },
  { key: 's', command: 'status', shown: 's', help: 'status of the VM and of this session' },
  { key: 'r', command: 'replay', shown: 'r', help: 'draw the screen again' },
  {
    key: 'z',
    command: 'size',
    shown: 'z',
    help: 'type `stty rows R cols C` with the size of this terminal',
  },
  { key: '?', command: 'help', shown: '?', help: 'this help' },
];
const commands = new Map(keys.map(({ key, command }) => [key.charCodeAt(0), command]));

export class EscapeParser {
  /** Whether a program in the VM wants to know what is pasted. */
  passPasteMarks = false;
  readonly #escape: number | undefined;
  readonly #sequences = new InputSequences();
  /** `start`: at the start of a line; `escape`: the escape character was seen there; `line`: within a line. */
  #state: 'start' | 'escape' | 'line' = 'start';
  /** The escape character as it was typed, while it waits for what follows. */
  #held: readonly number[] = [];
  #detached = false;
  #connected = true;

  /** @param escape the escape character, one byte; undefined for none: all input goes to the VM */
  constructor(escape: string | undefined) {
    if (escape !== undefined && Buffer.byteLength(escape) !== 1) {
      throw new RangeError('the escape character must be one byte');
    }
    this.#escape = escape?.charCodeAt(0);
  }

  /**
   * Whether what is typed reaches a VM. While it does not, there are no lines: the escape character counts anywhere. And ^C
   * leaves, whichever the escape character is.
   */
  set connected(connected: boolean) {
    this.#connected = connected;
    if (this.#state === 'line') this.#state = 'start';
  }

  /** Whether bytes wait that are keys if nothing follows them soon: then flush() is due. */
  get waiting(): boolean {
    return !this.#detached && this.#sequences.waiting;
  }

  /** What a chunk of input means, in order. After `detach` nothing more is looked at. */
  push(chunk: Uint8Array): EscapeAction[] {
    return this.#actions(this.#sequences.push(chunk));
  }

  /** Nothing has followed what waits, an ESC mostly. Should more of it come, it is still recognized. */
  flush(): EscapeAction[] {
    return this.#actions(this.#sequences.flush());
  }

  /** Nothing has followed for PAUSE_MS: what waited, or was flushed, was typed. */
  settle(): EscapeAction[] {
    return this.#actions(this.#sequences.settle());
  }

  #actions(tokens: readonly InputToken[]): EscapeAction[] {
    const actions: EscapeAction[] = [];
    if (this.#detached) return actions;
    let data: number[] = [];
    const flush = (): void => {
      if (data.length > 0) actions.push({ type: 'data', bytes: Buffer.from(data) });
      data = [];
    };
    for (const token of tokens) {
      const command = this.#take(token, data);
      if (command === undefined) continue;
      flush();
      actions.push({ type: command });
      if (command === 'detach') {
        this.#detached = true;
        return actions;
      }
    }
    flush();
    return actions;
  }

  /** One token: to the data, or the command that it completes. */
  #take({ type, bytes, character }: InputToken, data: number[]): EscapeCommand | undefined {
    switch (type) {
      case 'begin':
      case 'end':
        this.#release(data);
        if (this.passPasteMarks) data.push(...bytes);
        return undefined;
      case 'part':
        // Most likely an ESC: a key, so the escape character before it was meant for the VM, and goes first.
        this.#release(data);
        data.push(...bytes);
        return undefined;
      case 'report':
        data.push(...bytes);
        return undefined;
      case 'pasted':
        this.#release(data);
        this.#text(bytes, character, data);
        return undefined;
      case 'key':
        return this.#key(bytes, character, data);
    }
  }

  #key(
    bytes: readonly number[],
    character: number | undefined,
    data: number[],
  ): EscapeCommand | undefined {
    if (!this.#connected && character === ETX) return 'detach';
    const isEscape = character !== undefined && character === this.#escape;
    if (this.#state === 'start' && isEscape) {
      this.#state = 'escape';
      this.#held = bytes;
      return undefined;
    }
    if (this.#state === 'escape') {
      const command = commands.get(character ?? -1);
      if (command !== undefined && !isEscape) {
        this.#state = 'start';
        this.#held = [];
        return command;
      }
      // Doubled, it stands for itself; before anything else it was meant for the VM.
      this.#release(data);
      if (isEscape) return undefined;
    }
    this.#text(bytes, character, data);
    return undefined;
  }

  #text(bytes: readonly number[], character: number | undefined, data: number[]): void {
    data.push(...bytes);
    const ends = character === CR || character === LF || !this.#connected;
    this.#state = ends ? 'start' : 'line';
  }

  /** The escape character was meant for the VM. */
  #release(data: number[]): void {
    if (this.#state !== 'escape') return;
    data.push(...this.#held);
    this.#held = [];
    this.#state = 'line';
  }
}

/** The help for `~?`, with line ends for a raw terminal. */
export function escapeHelp(escape: string): string {
  return [
    '',
    'Escape sequences, at the start of a line only:',
    ...keys.map(({ shown, help }) => ` ${escape}${shown.padEnd(2)}  ${help}`),
    ` ${escape}${escape.padEnd(2)}  the escape character itself`,
    '',
  ].join('\r\n');
}
