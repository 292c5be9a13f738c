/**
 * Output of a shell that is known in advance, byte for byte: numbered lines. What came of it is laid beside what should
 * have come, so that bytes that are missing are told apart from bytes that are changed, repeated, or of someone else.
 */

export interface Count {
  /** Those that are right. */
  readonly bytes: number;
  readonly lost: number;
  readonly damaged: number;
}

/** A text within the expected output, from `from` to `to`. */
interface Aligned extends Count {
  readonly from: number;
  readonly to: number;
}

/** A line that came as it should, and where it belongs. */
interface HeldLine {
  readonly at: number;
  readonly length: number;
  readonly expectedAt: number;
}

export class KnownOutput {
  readonly #lines: readonly string[];
  readonly #expected: string;

  constructor(lines: number) {
    this.#lines = Array.from({ length: lines }, (_, index) => `<${index + 1}>\r\n`);
    this.#expected = this.#lines.join('');
  }

  /** What is typed to get it. */
  get command(): string {
    return `i=0; while [ $i -lt ${this.#lines.length} ]; do i=$((i+1)); echo "<$i>"; done`;
  }
  /** The last of it. */
  get end(): RegExp {
    return new RegExp(`<${this.#lines.length}>\r\n`);
  }

  /** What a session shows that saw all of it. */
  whole(text: string): Count {
    const { from, to, lost, damaged, bytes } = this.#align(withoutEcho(text), true);
    return { bytes, lost: lost + from + this.#expected.length - to, damaged };
  }

  /** What a session had shown when it ended in the middle. */
  beginning(text: string): Count {
    const { from, lost, damaged, bytes } = this.#align(withoutEcho(text), true);
    return { bytes, lost: lost + from, damaged };
  }

  /** A session that ended in the middle, and the next one, which shows the rest. `again`: bytes that both have shown. */
  continued(before: string, rest: string): Count & { readonly again: number } {
    const first = this.#align(withoutEcho(before), true);
    const second = this.#align(withoutEcho(rest), false);
    const again = Math.max(0, first.to - second.from);
    return {
      bytes: first.bytes + second.bytes - again,
      lost:
        first.lost +
        second.lost +
        first.from +
        Math.max(0, second.from - first.to) +
        this.#expected.length -
        second.to,
      damaged: first.damaged + second.damaged,
      again,
    };
  }

  /**
   * Finds where in the expected output a text lies (`from`, `to`), and what is wrong in between. Lines that came whole
   * and in order hold it; in a gap between two of them what came is damaged, and what came less than it should is lost.
   *
   * @param atStart the text starts where the output does, else anywhere in it
   */
  #align(text: string, atStart: boolean): Aligned {
    const held = this.#linesInOrder(text);
    let lost = 0;
    let damaged = 0;
    let bytes = 0;
    const first = held[0];
    let from = 0;
    let expectedAt = 0;
    let textAt = 0;
    if (first !== undefined && !atStart) {
      // It may start within a line: what it ends with, as far as it is right.
      const head = text.slice(0, first.at);
      const same = commonEnd(head, this.#expected.slice(0, first.expectedAt));
      from = first.expectedAt - same;
      bytes += same;
      damaged += head.length - same;
      expectedAt = first.expectedAt;
      textAt = first.at;
    }
    for (const { at, expectedAt: next, length } of held) {
      const gap = compareGap(this.#expected.slice(expectedAt, next), text.slice(textAt, at));
      lost += gap.lost;
      damaged += gap.damaged;
      bytes += gap.bytes + length;
      expectedAt = next + length;
      textAt = at + length;
    }
    // It may end within a line.
    const tail = text.slice(textAt);
    const same = commonStart(tail, this.#expected.slice(expectedAt));
    return {
      from,
      to: expectedAt + same,
      lost,
      damaged: damaged + tail.length - same,
      bytes: bytes + same,
    };
  }

  /** The most lines that are as expected, and in order. */
  #linesInOrder(text: string): HeldLine[] {
    const found: { number: number; at: number; length: number; before: number | undefined }[] = [];
    /** Index in `found` of the smallest line that ends an ascending row of each length. */
    const ends: number[] = [];
    const numberAt = (index: number | undefined): number =>
      index === undefined ? 0 : (found[index]?.number ?? 0);
    for (const match of text.matchAll(/(?<=^|\n)<([1-9]\d*)>\r\n/g)) {
      const number = Number(match[1]);
      if (number > this.#lines.length) continue;
      let length = ends.length;
      while (length > 0 && numberAt(ends[length - 1]) >= number) length--;
      found.push({ number, at: match.index, length: match[0].length, before: ends[length - 1] });
      ends[length] = found.length - 1;
    }
    const row = [];
    for (let at = ends.at(-1); at !== undefined; at = found[at]?.before) {
      const line = found[at];
      if (line !== undefined) row.unshift(line);
    }
    let expectedAt = 0;
    let passed = 1;
    return row.map(({ number, at, length }) => {
      for (; passed < number; passed++) expectedAt += this.#lines[passed - 1]?.length ?? 0;
      return { at, length, expectedAt };
    });
  }
}

/** What comes before the output is the command, echoed once or twice. */
function withoutEcho(text: string): string {
  const end = 'done\r\n';
  const at = text.lastIndexOf(end);
  return at < 0 ? text : text.slice(at + end.length);
}

function compareGap(expected: string, got: string): Count {
  const start = commonStart(expected, got);
  const end = commonEnd(expected.slice(start), got.slice(start));
  const bytes = start + end;
  return {
    bytes,
    lost: Math.max(0, expected.length - got.length),
    damaged: got.length - bytes,
  };
}

function commonStart(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one[length] === other[length]) length++;
  return length;
}

function commonEnd(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one.at(-1 - length) === other.at(-1 - length)) length++;
  return length;
}
