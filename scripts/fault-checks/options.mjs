// The command line of scripts/faults.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';

/** @param {readonly string[]} faults */
export const helpText = (
  faults,
) => `Usage: scripts/faults [--only NAME[,NAME]] [--seed N] [--rounds N] [--json]

Injects faults into a real testbed of its own, and looks after each: what the user is told, what still runs, whether
a byte of the console is missing, whether the next command works. Needs a built project; root for the full disk and
the control group, a C compiler for the clock.

  --only NAMES   of ${faults.join(', ')}
  --seed N       the random moments, as shares of the time that a command takes (default: another one each time)
  --rounds N     kills in kill-up, kill-session and kill-down together (default: 20)
  --json         print one JSON document

Exit code 0: all were survived; 1: one was not; 2: usage; 130, 143: ended by SIGINT, SIGTERM.

Examples:
  $ scripts/faults --only two-ups,stopped
  $ scripts/faults --only kill-up --rounds 60 --seed 6
  $ scripts/faults --json > faults.json
`;

/**
 * @param {readonly string[]} words
 * @param {readonly string[]} faults the names there are
 * @throws {Error} usage
 */
export function parseOptions(words, faults) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      only: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rounds: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const only = values.only?.split(',') ?? faults;
  const unknown = only.find((name) => !faults.includes(name));
  if (unknown !== undefined) {
    throw new Error(`no fault '${unknown}'; there are: ${faults.join(', ')}`);
  }
  return {
    only,
    seed: integer('--seed', values.seed, 0),
    rounds: integer('--rounds', values.rounds, 1),
    json: values.json,
    help: values.help,
  };
}

/**
 * @param {string} option
 * @param {string} text
 * @param {number} least
 */
function integer(option, text, least) {
  const number = Number(text);
  // Seeds are 32 bits wide.
  if (!/^\d+$/.test(text) || number < least || number > 0xffff_ffff) {
    throw new Error(`${option} takes a whole number from ${least} on, not '${text}'`);
  }
  return number;
}

/**
 * A seed for one user of random numbers: what another one draws, or how often, does not change its numbers.
 *
 * @param {number} seed
 * @param {string} name of the user
 */
export function seedOf(seed, name) {
  return createHash('sha256').update(`${seed} ${name}`).digest().readInt32LE();
}
