/** The size of a terminal: a serial line cannot carry it, so the VM learns it by a typed command only. */

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** Sizes that are believed; SSH carries 32 bits for each. */
const LIMITS = { columns: [2, 1000], rows: [2, 500] } as const;

/** A size from outside, within what a screen can have; undefined for what is none (RFC 4254: 0). */
export function believableSize(columns: number, rows: number): ScreenSize | undefined {
  if (!(columns > 0 && rows > 0)) return undefined;
  const within = (value: number, [low, high]: readonly [number, number]): number =>
    Math.min(high, Math.max(low, Math.floor(value)));
  return { columns: within(columns, LIMITS.columns), rows: within(rows, LIMITS.rows) };
}

/** What the user would type in a shell of the VM. */
export function terminalSizeCommand({ columns, rows }: ScreenSize): string {
  return `stty rows ${rows} cols ${columns}\r`;
}
