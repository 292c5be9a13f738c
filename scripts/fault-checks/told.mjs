// What the user is told of a fault, and whether that is something to tell a user.

/** What only the authors can read. */
const internals =
  /\b(?:Range|Type|Reference|Syntax|Assertion)Error\b|\babort\(|exit code unknown|\bE_INTERNAL\b|\[object |\bundefined\b|\bNaN\b/;
const stackFrame = /^\s+at .+:\d+:\d+\)?$/m;

/**
 * How a command ended, on one line: the line of its error, else the last one.
 *
 * @param {{ code: number | string, stderr: string }} result
 */
export function said({ code, stderr }) {
  const line = stderr.split('\n').find((one) => /\bE_[A-Z_]+/.test(one));
  return `exit ${code}: ${(line ?? stderr.trim().split('\n').at(-1) ?? '').trim()}`;
}

/**
 * A state of `status`, with its reason.
 *
 * @param {{ state: string, reason?: string }} status
 */
export const told = ({ state, reason }) => (reason === undefined ? state : `${state}: ${reason}`);

/**
 * What is wrong with a message, if anything is. A command that fails says an error's code.
 *
 * @param {string} text
 * @param {RegExp} pattern what it has to say
 * @param {string} all where it was found: no stack may be in there
 */
export function complaint(text, pattern = /\bE_[A-Z_]+/, all = '') {
  if (!pattern.test(text)) return `no clear message: ${text}`;
  const found = internals.exec(text)?.[0];
  if (found !== undefined) return `internals in the message (${found}): ${text}`;
  const frame = stackFrame.exec(`${text}\n${all}`)?.[0].trim();
  return frame === undefined ? undefined : `a stack in the message (${frame}): ${text}`;
}

/**
 * What is wrong with what still runs: status has to know all of it, and nothing else.
 *
 * @param {readonly string[]} kinds of the processes that run: `daemon`, `qemu`, or a command line
 * @param {{ state: string, processes: { daemon?: number, qemu?: number } }} status
 */
export function unknownToStatus(kinds, { state, processes }) {
  const known = Object.entries(processes)
    .filter(([, pid]) => pid !== undefined)
    .map(([kind]) => kind)
    .sort();
  const found = [...kinds].sort();
  return known.join() === found.join()
    ? undefined
    : `left: ${found.join(', ') || 'nothing'}, but status (${state}) knows: ${known.join(', ') || 'nothing'}`;
}
