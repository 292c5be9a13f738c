/** What gives a terminal its usual modes (xterm control sequences). */

/**
 * Undoes what a VM's programs may have left behind (xterm control sequences): colours, hidden cursor,
 * mouse and focus reports, bracketed paste, application keypad and cursor keys, line drawing characters, scroll
 * region (which moves the cursor, so that it is kept meanwhile).
 */
export const RESET =
  '\x1b[0m\x1b(B\x0f\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b7\x1b[r\x1b8';

/**
 * The same where the VM has started again, whatever ran there: no alternate screen either, origin mode, insert mode. The
 * cursor stays, or comes back to where it was before the alternate screen: that has a place of its own for what is saved.
 */
export const STARTED_AGAIN = `\x1b7\x1b[?1049l\x1b[?6l\x1b8${RESET}\x1b[4l\x1b[?7h`;
