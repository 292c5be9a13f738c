/** JSON from others, which may be none, and ours, which a terminal may show. */

/** @returns undefined for what is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * A document as text without control characters but line feeds. JSON.stringify escapes those below U+0020; terminals
 * take DEL and C1 (U+0080 to U+009F), too.
 * @param indent blanks for each level; undefined: all on one line
 */
export function jsonText(document: unknown, indent?: number): string {
  return JSON.stringify(document, undefined, indent).replace(
    /[\x7f-\x9f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
