/** What page and server both keep to; sizes in bytes. */

/** Output on its way to a screen; beyond it the server waits for `shown`. */
export const OUTPUT_WINDOW = 512 * 1024;
/** Input that the page may have sent before it is `taken`. */
export const INPUT_WINDOW = 64 * 1024;
/** Input in one message. */
export const INPUT_PIECE = 8 * 1024;
/** Any message from the page. */
export const MAX_MESSAGE = 16 * 1024;

/** What each side proves its key with: both nonces, and which side it is, so that no proof can be sent back. */
export function proofText(side: 'page' | 'server', serverNonce: string, pageNonce: string): string {
  return `${side} ${serverNonce} ${pageNonce}`;
}
