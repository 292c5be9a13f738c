/**
 * Takes out of a VM's output what could attack the terminal that shows it: clipboard writes (OSC 52) and all
 * other strings for the terminal (titles, hyperlinks, palettes, DCS, APC), everything that it answers as if
 * the user had typed (device reports, title reports, mouse and focus reports), what prints, resizes or
 * changes the character set. An allow list: a sequence that is not known to be harmless is dropped.
 *
 * A byte-wise state machine over ECMA-48; however the output is cut, the result is the same.
 */

/** Final bytes of CSI sequences without a private mark or intermediate: cursor, erase, edit, scroll, SGR, tabs. */
const HARMLESS_FINALS = new Set('@ABCDEFGHIJKLMPSTXZ`abdefgmrsuhl');
/** Standard modes that may be set and reset: insert (4), line feed (20). */
const HARMLESS_MODES = new Set(['4', '20']);
/**
 * DEC private modes: cursor keys (1), reverse video (5), origin (6), wrap (7), blink (12), cursor (25),
 * alternate screen (47, 1047, 1048, 1049), bracketed paste (2004), synchronized output (2026).
 */
const HARMLESS_PRIVATE_MODES = new Set([
  '1',
  '5',
  '6',
  '7',
  '12',
  '25',
  '47',
  '1047',
  '1048',
  '1049',
  '2004',
  '2026',
]);
/** Escapes of two bytes: save and restore cursor, keypad, index, next line, tab stop, reverse index, reset. */
const HARMLESS_ESCAPES = new Set('78=>DEHMc');
/** Designations of character sets that xterm and Linux know as plain or line drawing: `ESC ( B`, `ESC ) 0`. */
const HARMLESS_SETS = new Set('0AB');
/** Longest sequence of CSI that is passed, bytes. */
const MAX_CSI = 64;
/** Largest number in one: nothing has so many lines, and a repeat of two thousand million would not end. */
const MAX_NUMBER = 9999;
/** A string for the terminal that goes on for longer was never ended; the text after it is shown again. */
const MAX_STRING = 64 * 1024;

const ESC = 0x1b;

type State = 'text' | 'escape' | 'designate' | 'intermediate' | 'csi' | 'string' | 'string-escape';

export class Sanitizer {
  #state: State = 'text';
  /** The sequence so far, from ESC on. */
  #sequence: number[] = [];
  #stringLength = 0;
  /** A character of UTF-8 so far, and how many bytes it has. */
  #character: number[] = [];
  #characterLength = 0;
  #dropped = 0;

  /** Sequences and controls that were taken out. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Output was missed: what follows may begin anywhere. */
  reset(): void {
    this.#state = 'text';
    this.#sequence = [];
    this.#character = [];
  }

  /** What may be shown; an unfinished sequence is kept for the next piece. */
  push(bytes: Uint8Array): Buffer {
    const out: number[] = [];
    for (const byte of bytes) this.#take(byte, out);
    return Buffer.from(out);
  }

  #take(byte: number, out: number[]): void {
    // CAN and SUB end any sequence (ECMA-48), ESC begins a new one; a string's ESC may be its end.
    if (byte === 0x18 || byte === 0x1a) {
      if (this.#state !== 'text') this.#drop();
      return;
    }
    if (byte === ESC && this.#state !== 'string' && this.#state !== 'string-escape') {
      if (this.#state !== 'text') this.#drop();
      this.#begin();
      return;
    }
    switch (this.#state) {
      case 'text':
        return this.#onText(byte, out);
      case 'escape':
        return this.#onEscape(byte, out);
      case 'designate':
        this.#sequence.push(byte);
        return this.#end(out, HARMLESS_SETS.has(String.fromCharCode(byte)));
      case 'intermediate':
        if (byte < 0x20 || byte > 0x2f) this.#drop();
        return;
      case 'csi':
        return this.#onCsi(byte, out);
      case 'string':
      case 'string-escape':
        return this.#onString(byte, out);
    }
  }

  #onText(byte: number, out: number[]): void {
    if (this.#character.length > 0) {
      if (byte >= 0x80 && byte <= 0xbf) return this.#continue(byte, out);
      this.#character = [];
      this.#dropped++;
    }
    if (byte >= 0x80) {
      this.#characterLength = utf8Length(byte);
      // A byte that begins no character: to a terminal of 8 bits it may be a C1 control.
      if (this.#characterLength === 0) this.#dropped++;
      else this.#character = [byte];
    }
    // ENQ asks for an answer, SO and SI change the character set: only BEL, BS, HT, LF, VT, FF, CR pass.
    else if (byte < 0x20 ? byte >= 0x07 && byte <= 0x0d : byte !== 0x7f) out.push(byte);
    else this.#dropped++;
  }

  /** One more byte of a character, which passes when it is complete and what it should be. */
  #continue(byte: number, out: number[]): void {
    this.#character.push(byte);
    if (this.#character.length < this.#characterLength) return;
    if (isPrintableCharacter(this.#character)) out.push(...this.#character);
    else this.#dropped++;
    this.#character = [];
  }

  #begin(): void {
    this.#state = 'escape';
    this.#sequence = [ESC];
    this.#character = [];
  }

  #onEscape(byte: number, out: number[]): void {
    this.#sequence.push(byte);
    const character = String.fromCharCode(byte);
    if (character === '[') this.#state = 'csi';
    else if ('PX]^_k'.includes(character)) {
      // DCS, SOS, OSC, PM, APC; `ESC k` is a title for screen and tmux.
      this.#state = 'string';
      this.#stringLength = 0;
    } else if ('()*+'.includes(character)) this.#state = 'designate';
    else if (byte >= 0x20 && byte <= 0x2f) this.#state = 'intermediate';
    else this.#end(out, HARMLESS_ESCAPES.has(character));
  }

  #onCsi(byte: number, out: number[]): void {
    // Controls within a sequence are carried out by a terminal; here they are dropped with their kind.
    if (byte < 0x20) return;
    if (this.#sequence.length <= MAX_CSI) this.#sequence.push(byte);
    if (byte > 0x7e) this.#drop();
    else if (byte >= 0x40) {
      this.#end(out, this.#sequence.length <= MAX_CSI && isHarmlessCsi(this.#sequence));
    }
  }

  #onString(byte: number, out: number[]): void {
    if (this.#state === 'string-escape') {
      if (byte === 0x5c) return this.#drop();
      // Not its end, so it was cut short by another sequence.
      this.#drop();
      this.#begin();
      return this.#take(byte, out);
    }
    if (byte === ESC) this.#state = 'string-escape';
    else if (byte === 0x07 || ++this.#stringLength > MAX_STRING) this.#drop();
  }

  #end(out: number[], harmless: boolean): void {
    if (!harmless) return this.#drop();
    out.push(...this.#sequence);
    this.#state = 'text';
  }

  #drop(): void {
    this.#dropped++;
    this.#state = 'text';
  }
}

/** Bytes of the UTF-8 character that begins with this one (RFC 3629); 0 if none does. */
function utf8Length(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** Neither a C1 control nor written in more bytes than it needs, nor out of range. */
function isPrintableCharacter(bytes: readonly number[]): boolean {
  const [lead = 0, ...rest] = bytes;
  const bits = lead & (0xff >> (bytes.length + 1));
  const code = rest.reduce((value, byte) => (value << 6) | (byte & 0x3f), bits);
  const smallest = [0, 0, 0xa0, 0x800, 0x10000][bytes.length] ?? 0;
  return code >= smallest && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

function isHarmlessCsi(sequence: readonly number[]): boolean {
  const body = String.fromCharCode(...sequence.slice(2));
  const match = /^([?>=<]?)([\d;:]*)([ -/]*)(.)$/.exec(body);
  if (match === null) return false;
  const [, mark = '', numbers = '', intermediate = '', final = ''] = match;
  const values = numbers.split(/[;:]/);
  if (values.some((value) => Number(value) > MAX_NUMBER)) return false;
  // `CSI 3 J` erases what the user has scrolled past.
  if (final === 'J' && values.includes('3')) return false;
  // The shape of the cursor (DECSCUSR).
  if (intermediate === ' ' && final === 'q') return mark === '';
  if (intermediate !== '') return false;
  if (final === 'h' || final === 'l') {
    const known = mark === '?' ? HARMLESS_PRIVATE_MODES : HARMLESS_MODES;
    return (mark === '' || mark === '?') && values.every((value) => known.has(value));
  }
  // `CSI ? J` and `CSI ? K` erase, too.
  if (mark !== '') return mark === '?' && (final === 'J' || final === 'K');
  return HARMLESS_FINALS.has(final);
}
