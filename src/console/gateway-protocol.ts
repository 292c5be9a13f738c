/** What our client and the gateway agree on beyond SSH itself. */

/**
 * The signal request (RFC 4254, 6.9) that stands for a BREAK from our client: ssh2's client cannot send
 * the `break` request of RFC 4335, which the gateway takes from OpenSSH.
 */
export const BREAK_SIGNAL = 'BREAK@vsbypass';

/** The environment variable that chooses what a session shows first: `all` (default) or `none` of the history. */
export const HISTORY_VARIABLE = 'VSBYPASS_HISTORY';

/** How the line begins that says why a session is refused. */
export const REFUSAL = 'vsbypass: ';
