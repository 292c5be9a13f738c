/** Text from the clipboard, before it is typed into a VM. */

/** More than a line is asked about first: each line end runs what stands before it. */
export function needsQuestion(text: string): boolean {
  return /[\r\n]./s.test(text) || /[\r\n]$/.test(text);
}

/**
 * Without control characters but tab and line ends: a web page can put an escape sequence on the clipboard
 * that ends a bracketed paste, or a Ctrl-C.
 */
export function cleanPaste(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, '');
}

/** The beginning of a text, for a question about it. */
export function excerpt(text: string): string {
  const lines = text.split(/\r\n|\r|\n/);
  const shown = lines
    .slice(0, 8)
    .map((line) => (line.length > 80 ? `${line.slice(0, 79)}…` : line));
  return lines.length > 8
    ? [...shown, `… ${lines.length - 8} more lines`].join('\n')
    : shown.join('\n');
}
