/** The command line of scripts/boots. */
import { parseArgs } from 'node:util';

import { l2Kinds, type L2Kind } from '../config/schema.js';
import { VsbError, messageOf } from '../base/errors.js';
import { assertInstanceName } from '../state/paths.js';

export const helpText = `Usage: scripts/boots [--count N] [--l2 kvm|xen] [--load] [--loops N] [--name NAME] [--evidence DIR]
                     [--keep-state] [--until-failure] [--json] [-- OPTIONS-OF-UP...]

Boots a testbed and takes it down, again and again, always cold. Tells how many of how many reached the login, and how
the times of each phase are distributed; keeps the evidence of each boot that did not. Needs a built project.

  --count N         boots (default: 10)
  --l2 KIND         the virtualized system: kvm (default) or xen
  --load            with a busy loop on each core beside it, of the same priority
  --loops N         so many busy loops on each core (implies --load)
  --name NAME       the instance (default: boots)
  --evidence DIR    where the evidence goes, a folder for each boot that failed (default: ./boots-evidence)
  --keep-state      saves the state of a hung machine, too (some 200 MiB)
  --until-failure   ends after the first boot that failed
  --json            print one JSON document
  -- OPTIONS        passed on to \`vsbypass up\`

Exit code 0: all reached the login; 1: one did not; 2: usage; 130, 143: ended by SIGINT, SIGTERM.

Examples:
  $ scripts/boots --count 100 --l2 xen
  $ scripts/boots --count 100 --l2 kvm --load --json > boots.json
  $ scripts/boots --count 500 --l2 xen --until-failure --keep-state
  $ scripts/boots --count 20 --loops 2 -- --vms 2
`;

export interface BootsOptions {
  readonly count: number;
  readonly l2: L2Kind;
  /** Busy loops on each core; 0: none. */
  readonly loops: number;
  readonly name: string;
  readonly evidence: string;
  readonly keepState: boolean;
  readonly untilFailure: boolean;
  readonly json: boolean;
  readonly help: boolean;
  /** Further options of `up`. */
  readonly up: readonly string[];
}

/** @throws VsbError E_USAGE, E_INSTANCE_NAME */
export function parseOptions(words: readonly string[]): BootsOptions {
  const end = words.indexOf('--');
  const values = parse(end < 0 ? words : words.slice(0, end));
  assertInstanceName(values.name);
  const l2 = l2Kinds.find((kind) => kind === values.l2);
  if (l2 === undefined) throw usage(`--l2 is ${l2Kinds.join(' or ')}, not '${values.l2}'`);
  const loops = values.loops === undefined ? undefined : numberOf('--loops', values.loops);
  return {
    count: numberOf('--count', values.count),
    l2,
    loops: loops ?? (values.load ? 1 : 0),
    name: values.name,
    evidence: values.evidence,
    keepState: values['keep-state'],
    untilFailure: values['until-failure'],
    json: values.json,
    help: values.help,
    up: end < 0 ? [] : words.slice(end + 1),
  };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        count: { type: 'string', default: '10' },
        l2: { type: 'string', default: 'kvm' },
        load: { type: 'boolean', default: false },
        loops: { type: 'string' },
        name: { type: 'string', default: 'boots' },
        evidence: { type: 'string', default: 'boots-evidence' },
        'keep-state': { type: 'boolean', default: false },
        'until-failure': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw usage(messageOf(error));
  }
}

function numberOf(option: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw usage(`${option} is a number from 1 on, not '${value}'`);
}

function usage(message: string): VsbError {
  return new VsbError('E_USAGE', message, { hint: 'scripts/boots --help' });
}
