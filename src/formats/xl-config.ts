/** Domain configurations in the syntax of xl.cfg(5). */

export type XlValue = string | number | readonly string[];
export type XlEntry = readonly [key: string, value: XlValue];

/** One `key = value` a line. */
export function xlConfig(settings: readonly XlEntry[]): string {
  return settings.map(([key, value]) => `${key} = ${xlValue(value)}\n`).join('');
}

function xlValue(value: XlValue): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? quote(value) : `[ ${value.map(quote).join(', ')} ]`;
}

/** xl reads strings by Python's rules. */
function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
