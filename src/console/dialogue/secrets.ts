/**
 * What was typed as a secret, and is not to be shown of a talk that failed: that ends up in logs. A terminal may have
 * echoed it: whole or its beginning, with control characters as `^C` (termios(3), ECHOCTL), and wrapped by a line editor.
 */

const MASK = '********';
/** A secret that is shorter is hidden only where it stands alone: `a` is in every line. */
const SURE = 4;
/** The beginning of one that says something about it. */
const TELLING = 2;

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
/** What may stand between the characters of an echo. readline(3) wraps a line by space and CR. */
// eslint-disable-next-line no-control-regex
const BETWEEN = /[\s\x00-\x1f\x7f-\x9f]/g;
/** The same where a line was wrapped by the next character and BS, as busybox does it, or CR, as zsh does. */
// eslint-disable-next-line no-control-regex
const REDRAWN = /[^](?:\x08|\r(?![\r\n]|$))|[\s\x00-\x1f\x7f-\x9f]/g;

/** From, and up to which character of a text. */
type Place = readonly [from: number, to: number];

export class Secrets {
  readonly #known = new Set<string>();

  /** Each line of it is one: where it is echoed, line ends are others. */
  add(secret: Buffer): void {
    for (const line of secret.toString('utf8').split(/[\r\n]+/)) {
      for (const echo of [line, line.replace(CONTROLS, caret)]) {
        const bare = echo.replace(BETWEEN, '');
        if (bare !== '') this.#known.add(bare);
      }
    }
  }

  /** The text with a mask in each place of a secret, or of its beginning at the end of a line. */
  conceal(text: string): string {
    if (this.#known.size === 0) return text;
    const places = [BETWEEN, REDRAWN].flatMap((between) => this.#places(text, between));
    let shown = '';
    let end = 0;
    for (const [from, to] of places.sort(([one], [other]) => one - other)) {
      if (from >= end) shown += text.slice(end, from) + MASK;
      end = Math.max(end, to);
    }
    return shown + text.slice(end);
  }

  #places(text: string, between: RegExp): Place[] {
    const { bare, at } = without(text, between);
    const ends = [...text.matchAll(/\n|$/g)].map(({ index }) => index);
    const found: Place[] = [];
    const hide = (from: number, length: number): boolean => {
      const place = [at[from] ?? 0, (at[from + length - 1] ?? 0) + 1] as const;
      const hidden = length >= SURE || standsAlone(text, place);
      if (hidden) found.push(place);
      return hidden;
    };
    for (const secret of this.#known) {
      for (let from = bare.indexOf(secret); from >= 0; from = bare.indexOf(secret, from + 1)) {
        hide(from, secret.length);
      }
      // The echo was turned off, or the talk ended, in the middle of it.
      let kept = 0;
      for (const end of ends) {
        while (kept < at.length && (at[kept] ?? 0) < end) kept++;
        for (let length = Math.min(secret.length - 1, kept); length >= TELLING; length--) {
          const begun = bare.startsWith(secret.slice(0, length), kept - length);
          if (begun && hide(kept - length, length)) break;
        }
      }
    }
    return found;
  }
}

function caret(control: string): string {
  return `^${String.fromCharCode(control.charCodeAt(0) ^ 0x40)}`;
}

/** A text without what matches, and where its characters were. */
function without(text: string, pattern: RegExp): { bare: string; at: number[] } {
  const at: number[] = [];
  let bare = '';
  let end = 0;
  const keep = (to: number): void => {
    bare += text.slice(end, to);
    for (; end < to; end++) at.push(end);
  };
  for (const { index, 0: match } of text.matchAll(pattern)) {
    keep(index);
    end += match.length;
  }
  keep(text.length);
  return { bare, at };
}

function standsAlone(text: string, [from, to]: Place): boolean {
  const before = text.slice(Math.max(0, from - 2), from);
  return !/[\p{L}\p{N}]$/u.test(before) && !/^[\p{L}\p{N}]/u.test(text.slice(to, to + 2));
}
