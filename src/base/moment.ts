/** How people write durations and moments on the command line. */

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `10m`, `2h` or `1d` in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  return match === null ? undefined : Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs];
}

/** A date that JavaScript reads (ISO 8601), in milliseconds since 1970; undefined for anything else. */
export function parseDate(text: string): number | undefined {
  const moment = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(moment) ? undefined : moment;
}
