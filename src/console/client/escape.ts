/**
 * The escape character of an interactive console, as OpenSSH and its forebears have it: it counts at
 * the start of a line only, and what follows it says what to do. A byte-wise state machine: however
 * the input is cut into chunks, the result is the same.
 *
 * What is pasted is no command: the terminal is asked to mark pastes (`CSI 200 ~` before, `CSI 201 ~` after),
 * and within them the escape character is text. The marks go to the VM only if a program there asked for them.
 */

const CR = 0x0d;
const LF = 0x0a;
const ESC = 0x1b;
const PASTE_BEGIN = Buffer.from('\x1b[200~');
const PASTE_END = Buffer.from('\x1b[201~');

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
  /** `start`: at the start of a line; `escape`: the escape character was seen there; `line`: within a line. */
  #state: 'start' | 'escape' | 'line' = 'start';
  #pasting = false;
  /** What may become a paste mark. */
  #mark: number[] = [];

  /** @param escape the escape character, one byte; undefined for none: all input goes to the VM */
  constructor(escape: string | undefined) {
    if (escape !== undefined && Buffer.byteLength(escape) !== 1) {
      throw new RangeError('the escape character must be one byte');
    }
    this.#escape = escape?.charCodeAt(0);
  }

  /** What a chunk of input means, in order. After `detach` nothing more is looked at. */
  push(chunk: Uint8Array): EscapeAction[] {
    const actions: EscapeAction[] = [];
    let data: number[] = [];
    const flush = (): void => {
      if (data.length > 0) actions.push({ type: 'data', bytes: Buffer.from(data) });
      data = [];
    };
    for (const byte of chunk) {
      for (const typed of this.#withoutMarks(byte, data)) {
        const command = this.#take(typed, data);
        if (command === undefined) continue;
        flush();
        actions.push({ type: command });
        if (command === 'detach') return actions;
      }
    }
    // A lone ESC is a key, and is not kept waiting for what may follow.
    if (this.#mark.length === 1) {
      this.#mark = [];
      this.#take(ESC, data);
    }
    flush();
    return actions;
  }

  /** Recognizes paste marks; the bytes that turned out to be none. */
  #withoutMarks(byte: number, data: number[]): number[] {
    const wanted = this.#pasting ? PASTE_END : PASTE_BEGIN;
    if (byte !== wanted[this.#mark.length]) {
      const none = this.#mark;
      this.#mark = [];
      if (byte !== ESC) return [...none, byte];
      this.#mark = [byte];
      return none;
    }
    this.#mark.push(byte);
    if (this.#mark.length < wanted.length) return [];
    if (this.passPasteMarks) data.push(...this.#mark);
    this.#mark = [];
    this.#pasting = !this.#pasting;
    return [];
  }

  /** One byte that was typed or pasted: to the data, or the command that it completes. */
  #take(byte: number, data: number[]): EscapeCommand | undefined {
    if (this.#state === 'start' && byte === this.#escape && !this.#pasting) {
      this.#state = 'escape';
      return undefined;
    }
    if (this.#state === 'escape') {
      const command = this.#pasting ? undefined : commands.get(byte);
      if (command !== undefined && byte !== this.#escape) {
        this.#state = 'start';
        return command;
      }
      // Doubled, it stands for itself; before anything else it was meant for the VM.
      if (this.#escape !== undefined) data.push(this.#escape);
      this.#state = 'line';
      if (byte === this.#escape && !this.#pasting) return undefined;
    }
    data.push(byte);
    this.#state = byte === CR || byte === LF ? 'start' : 'line';
    return undefined;
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
