/** What the user is told of a fault, and whether that is something to tell a user. */
import type { Finished, Status } from '../../e2e/command-line.js';

/** What only the authors can read. */
const internals =
  /\b(?:Range|Type|Reference|Syntax|Assertion)Error\b|\babort\(|exit code unknown|\bE_INTERNAL\b|\[object |\bundefined\b|\bNaN\b/;
const stackFrame = /^\s+at .+:\d+:\d+\)?$/m;

/** How a command ended, on one line: the line of its error, else the last one. */
export function said({ code, stderr }: Pick<Finished, 'code' | 'stderr'>): string {
  const line = stderr.split('\n').find((one) => /\bE_[A-Z_]+/.test(one));
  return `${code === null ? 'killed' : `exit ${code}`}: ${(line ?? stderr.trim().split('\n').at(-1) ?? '').trim()}`;
}

/** A state of `status`, with its reason. */
export const told = ({ state, reason }: Pick<Status, 'state' | 'reason'>): string =>
  reason === undefined ? state : `${state}: ${reason}`;

/**
 * What is wrong with a message, if anything is. A command that fails says an error's code.
 *
 * @param pattern what it has to say
 * @param all where it was found: no stack may be in there
 */
export function complaint(text: string, pattern = /\bE_[A-Z_]+/, all = ''): string | undefined {
  if (!pattern.test(text)) return `no clear message: ${text}`;
  const found = internals.exec(text)?.[0];
  if (found !== undefined) return `internals in the message (${found}): ${text}`;
  const frame = stackFrame.exec(`${text}\n${all}`)?.[0].trim();
  return frame === undefined ? undefined : `a stack in the message (${frame}): ${text}`;
}

/**
 * What is wrong with what still runs: status has to know all of it, and nothing else.
 *
 * @param kinds of the processes that run: `daemon`, `qemu`, or a command line
 */
export function unknownToStatus(
  kinds: readonly string[],
  { state, processes }: Pick<Status, 'state' | 'processes'>,
): string | undefined {
  const known = Object.entries(processes)
    .filter(([, pid]) => pid !== undefined)
    .map(([kind]) => kind)
    .sort();
  const found = [...kinds].sort();
  return known.join() === found.join()
    ? undefined
    : `left: ${found.join(', ') || 'nothing'}, but status (${state}) knows: ${known.join(', ') || 'nothing'}`;
}
