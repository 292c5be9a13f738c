/** What our client and the gateway agree on beyond SSH itself. */

/**
 * The signal request (RFC 4254, 6.9) that stands for a BREAK from our client. ssh2's client has no call
 * for the `break` request of RFC 4335, which the gateway takes from OpenSSH, and no other signal names
 * than POSIX's; a serial line has no other use for signals.
 */
export const BREAK_SIGNAL = 'USR1';

/** The environment variable that chooses what a session shows first: `all` (default) or `none` of the history. */
export const HISTORY_VARIABLE = 'VSBYPASS_HISTORY';

/** How the line begins that says why a session is refused. */
export const REFUSAL = 'vsbypass: ';
