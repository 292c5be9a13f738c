/** A string for the terminal that goes on for longer, bytes, was never ended: the text after it counts again. */
const MAX_SEQUENCE = 4096;
const ESC = 0x1b;
/** From its ESC on (ECMA-48): an escape sequence, a control sequence, a string (DCS, SOS, OSC, PM, APC), with no end yet. */
// eslint-disable-next-line no-control-regex
const SEQUENCE = /^\x1b(?:[ -/]*|\[[^\x18\x1a@-\xff]*|[PX\]^_][^\x07\x18\x1a]*)$/;
/** The first bytes of a character (RFC 3629), but not all of them. */
const CHARACTER = /(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})$/;

/**
 * The end of a terminal's output that is no whole character (UTF-8) or control sequence yet; empty if all is whole.
 * What is shown there breaks it.
 */
export function unfinishedEnd(output: Buffer): Buffer {
  const end = output.subarray(-MAX_SEQUENCE);
  const escape = end.lastIndexOf(ESC);
  if (escape >= 0 && SEQUENCE.test(end.toString('latin1', escape))) return end.subarray(escape);
  const length = CHARACTER.exec(end.toString('latin1', Math.max(0, end.length - 3)))?.[0].length;
  return end.subarray(end.length - (length ?? 0));
}
