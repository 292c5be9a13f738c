/** "Did you mean": for names that are not known. */
import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant; undefined if none is near enough. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const found = closest(name, known);
  // One slip in a short name, more in a long one; never most of the name.
  const slips = Math.max(1, Math.floor(Math.min(name.length, found.length) / 3));
  return distance(name, found) <= slips ? found : undefined;
}

/** A hint for a name that is not known: what was probably meant, and what there is. */
export function hintOfKnown(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'There are none.';
  const meant = nearestName(name, known);
  const question = meant === undefined ? '' : `Did you mean '${meant}'? `;
  return `${question}There are: ${known.join(', ')}.`;
}
