/**
 * The escape character of an interactive console, as OpenSSH and its forebears have it: it counts at
 * the start of a line only, and what follows it says what to do. A byte-wise state machine: however
 * the input is cut into chunks, the result is the same.
 */

const CR = 0x0d;
const LF = 0x0a;

export type EscapeAction =
  /** Goes to the VM. */
  | { readonly type: 'data'; readonly bytes: Buffer }
  | { readonly type: 'detach' }
  | { readonly type: 'help' }
  | { readonly type: 'break' };

const commands: Readonly<Record<string, 'detach' | 'help' | 'break'>> = {
  '.': 'detach',
  '?': 'help',
  B: 'break',
};

export class EscapeParser {
  readonly #escape: number | undefined;
  /** `start`: at the start of a line; `escape`: the escape character was seen there; `line`: within a line. */
  #state: 'start' | 'escape' | 'line' = 'start';

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
      if (this.#state === 'start' && byte === this.#escape) {
        this.#state = 'escape';
        continue;
      }
      if (this.#state === 'escape') {
        const command = commands[String.fromCharCode(byte)];
        if (command !== undefined && byte !== this.#escape) {
          flush();
          actions.push({ type: command });
          this.#state = 'start';
          if (command === 'detach') return actions;
          continue;
        }
        // Doubled, it stands for itself; before anything else it was meant for the VM.
        if (this.#escape !== undefined) data.push(this.#escape);
        this.#state = 'line';
        if (byte === this.#escape) continue;
      }
      data.push(byte);
      this.#state = byte === CR || byte === LF ? 'start' : 'line';
    }
    flush();
    return actions;
  }
}

/** The help for `~?`, with line ends for a raw terminal. */
export function escapeHelp(escape: string): string {
  return [
    '',
    'Escape sequences, at the start of a line only:',
    ` ${escape}.  detach: the VM and its history stay as they are`,
    ` ${escape}B  send a BREAK to the VM's serial line`,
    ` ${escape}?  this help`,
    ` ${escape}${escape}  the escape character itself`,
    '',
  ].join('\r\n');
}
