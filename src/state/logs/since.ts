/** The argument of `--since`. */
import { parseDate, parseDuration } from '../../base/moment.js';

/**
 * The moment meant, in milliseconds since 1970: `90s`, `10m`, `2h` or `1d` before now, or a date (ISO 8601).
 *
 * @returns undefined for anything else
 */
export function parseSince(text: string, now: number): number | undefined {
  const ago = parseDuration(text);
  return ago === undefined ? parseDate(text) : now - ago;
}
