/** The text form of a UUID (RFC 4122, section 3). */

/** @param bytes 16 of them, in the order in which they are printed */
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}
