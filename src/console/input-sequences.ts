/**
 * Tells what a person types from what the terminal says by itself. A terminal answers questions (where the cursor is,
 * what it is, its colours), reports focus and mouse, and marks pastes, all in the same stream as the keys
 * (ECMA-48 and xterm's ctlseqs). A byte-wise state machine: however the input is cut, the result is the same.
 */

const BEL = 0x07;
const CR = 0x0d;
const ESC = 0x1b;
const LEFT_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const PASTE_BEGIN = '\x1b[200~';
const PASTE_END = '\x1b[201~';
/** After such a pause, milliseconds, settle() is due: terminals send a sequence at once, people press one key after another. */
export const PAUSE_MS = 100;
/** Longest control sequence that a terminal sends, bytes; what goes on for longer was typed. */
const MAX_SEQUENCE = 64;
/** Longest answer that is a string: the clipboard may be one. */
const MAX_STRING = 1024 * 1024;
/** Bytes that follow `CSI M`, an old report of the mouse. */
const MOUSE_BYTES = 3;

/** Reports that a terminal sends, by what follows `CSI`. */
const REPORTS: readonly RegExp[] = [
  // Cursor position (CPR). F3 with a modifier looks the same; it reaches the VM all the same.
  /^\??\d+(;\d+)*R$/,
  // Status (DSR), attributes (DA), parameters (DECREPTPARM), modes (DECRPM), size (XTWINOPS), graphics, locator.
  /^\??[\d;]*n$/,
  /^[?>=][\d;]*c$/,
  /^\d[\d;]*x$/,
  /^\??[\d;]+\$y$/,
  /^\d+(;\d+)+t$/,
  /^\?[\d;]+S$/,
  /^[\d;]*&w$/,
  // Focus.
  /^[IO]$/,
  // The mouse: SGR's coding, urxvt's.
  /^<[\d;]+[Mm]$/,
  /^\d+;\d+;\d+M$/,
  // kitty's keys: which it has on, and a key that is let go.
  /^\?\d*u$/,
  /^[\d:]*(;\d*:3)(;[\d:]*)?[u~A-HPQS]$/,
];

export type InputToken = {
  /**
   * `key`: one key. `pasted`: one byte of a paste, `begin` and `end`: its marks. `report`: the terminal said it by itself.
   * `part`: a piece of a sequence that is not complete, handed out by flush(); what it is comes with the rest.
   */
  readonly type: 'key' | 'pasted' | 'begin' | 'end' | 'report' | 'part';
  readonly bytes: readonly number[];
  /** The character that a `key` is, where it is one; undefined for cursor keys and the like. */
  readonly character: number | undefined;
};

type State = 'ground' | 'escape' | 'csi' | 'mouse' | 'string' | 'string-escape';

export class InputSequences {
  #state: State = 'ground';
  #pasting = false;
  /** The sequence so far, from its ESC on, and how much of it was handed out. */
  #sequence: number[] = [];
  #handedOut = 0;

  /** Whether bytes wait that are keys if nothing follows them soon: then flush() is due. */
  get waiting(): boolean {
    return !this.#pasting && this.#sequence.length > this.#handedOut;
  }

  /** What a chunk of input is, in order. An unfinished sequence waits for the next one. */
  push(chunk: Uint8Array): InputToken[] {
    const tokens: InputToken[] = [];
    for (const byte of chunk) this.#take(byte, tokens);
    return tokens;
  }

  /** Hands out what waits: a lone ESC is a key, and must not wait for ever. Within a paste it is none. */
  flush(): InputToken[] {
    if (!this.waiting) return [];
    const bytes = this.#sequence.slice(this.#handedOut);
    this.#handedOut = this.#sequence.length;
    return [{ type: 'part', bytes, character: undefined }];
  }

  /**
   * Nothing has followed for {@link PAUSE_MS}: a lone ESC was a key for good, and so was one with Alt that begins a string
   * (`P X ] ^ _`); what is typed after them is no part of a sequence. A control sequence stays what it is: the next letter
   * ends it, and it may be the mark of a paste.
   */
  settle(): InputToken[] {
    const tokens: InputToken[] = [];
    if (['escape', 'string', 'string-escape'].includes(this.#state)) this.#end('key', tokens);
    return tokens;
  }

  #take(byte: number, tokens: InputToken[]): void {
    if (this.#pasting) return this.#takePasted(byte, tokens);
    switch (this.#state) {
      case 'ground':
        if (byte === ESC) this.#begin(byte);
        else tokens.push({ type: 'key', bytes: [byte], character: byte });
        return;
      case 'escape':
        return this.#onEscape(byte, tokens);
      case 'csi':
        return this.#onCsi(byte, tokens);
      case 'mouse':
        this.#sequence.push(byte);
        if (this.#sequence.length === 3 + MOUSE_BYTES) this.#end('report', tokens);
        return;
      case 'string':
      case 'string-escape':
        return this.#onString(byte, tokens);
    }
  }

  #begin(byte: number): void {
    this.#state = 'escape';
    this.#sequence = [byte];
    this.#handedOut = 0;
  }

  #onEscape(byte: number, tokens: InputToken[]): void {
    if (byte === ESC || byte < 0x20) return this.#broken(byte, tokens);
    this.#sequence.push(byte);
    if (byte === LEFT_BRACKET) this.#state = 'csi';
    // DCS, SOS, OSC, PM, APC.
    else if ('PX]^_'.includes(String.fromCharCode(byte))) this.#state = 'string';
    // A key with Alt; SS3 begins a cursor key, whose last byte is a key of its own here.
    else this.#end('key', tokens);
  }

  #onCsi(byte: number, tokens: InputToken[]): void {
    if (byte < 0x20 || byte > 0x7e || this.#sequence.length >= MAX_SEQUENCE) {
      return this.#broken(byte, tokens);
    }
    this.#sequence.push(byte);
    if (byte < 0x40) return;
    const text = String.fromCharCode(...this.#sequence);
    const body = text.slice(2);
    if (body === 'M') this.#state = 'mouse';
    else if (text === PASTE_BEGIN) {
      this.#end('begin', tokens);
      this.#pasting = true;
    } else if (text === PASTE_END) this.#end('end', tokens);
    else if (REPORTS.some((report) => report.test(body))) this.#end('report', tokens);
    else this.#end('key', tokens, characterOf(body));
  }

  /** Answers that are strings end with ST or BEL, and have no control characters in them. */
  #onString(byte: number, tokens: InputToken[]): void {
    if (this.#state === 'string-escape') {
      if (byte !== BACKSLASH) return this.#broken(byte, tokens);
      this.#sequence.push(byte);
      return this.#end('report', tokens);
    }
    if (byte === BEL) {
      this.#sequence.push(byte);
      return this.#end('report', tokens);
    }
    if (byte === ESC) {
      this.#sequence.push(byte);
      this.#state = 'string-escape';
      return;
    }
    if (byte < 0x20 || this.#sequence.length >= MAX_STRING) return this.#broken(byte, tokens);
    this.#sequence.push(byte);
  }

  /** It was no sequence: keys, of which the last may begin another one. */
  #broken(byte: number, tokens: InputToken[]): void {
    this.#end('key', tokens);
    this.#take(byte, tokens);
  }

  #end(type: InputToken['type'], tokens: InputToken[], character?: number): void {
    tokens.push({ type, bytes: this.#sequence.slice(this.#handedOut), character });
    this.#state = 'ground';
    this.#sequence = [];
    this.#handedOut = 0;
  }

  /** Within a paste only its end counts. */
  #takePasted(byte: number, tokens: InputToken[]): void {
    const matches = byte === PASTE_END.charCodeAt(this.#sequence.length);
    if (!matches) {
      for (const one of this.#sequence) {
        tokens.push({ type: 'pasted', bytes: [one], character: one });
      }
      this.#sequence = [];
      if (byte !== ESC) {
        tokens.push({ type: 'pasted', bytes: [byte], character: byte });
        return;
      }
    }
    this.#sequence.push(byte);
    if (this.#sequence.length < PASTE_END.length) return;
    this.#pasting = false;
    this.#end('end', tokens);
  }
}

/** The ASCII character of a key in kitty's coding (`CSI code:shifted;modifiers;text u`), where it is one; with Ctrl, too. */
function characterOf(body: string): number | undefined {
  const match = /^(\d+)(?::(\d*))?[\d:]*(?:;(\d*)(?::[12])?(?:;(\d+))?)?u$/.exec(body);
  if (match === null) return undefined;
  const [, code = '', shifted = '', modifiers = '', text = ''] = match;
  // One more than the bits: shift 1, ctrl 4; caps lock 64, num lock 128 change no character's kind.
  const held = (Number(modifiers || '1') - 1) & ~(64 | 128);
  const letter = /^[a-z]$/.test(String.fromCharCode(Number(code)));
  if (held === 4 && letter) return Number(code) & 0x1f;
  if ((held & ~1) !== 0) return undefined;
  const shift = held === 1;
  const character = Number(text || (shift && shifted ? shifted : code));
  return character === CR || (character >= 0x20 && character < 0x7f) ? character : undefined;
}
