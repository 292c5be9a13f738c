/** The argument of `--since`. */

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * The moment meant, in milliseconds since 1970: `90s`, `10m`, `2h` or `1d` before now, or a date that
 * JavaScript reads (ISO 8601).
 *
 * @returns undefined for anything else
 */
export function parseSince(text: string, now: number): number | undefined {
  const ago = /^(\d{1,6})([smhd])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * unitsMs[ago[2] as keyof typeof unitsMs];
  const moment = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(moment) ? undefined : moment;
}
