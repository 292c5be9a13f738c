/**
 * `vsbypass console <vm>`: the secure console, on a terminal or as a script. For a VM whose COM1 is left to
 * L2 it goes the operator's way instead, and says that this is not secure.
 */
import { readFile } from 'node:fs/promises';

import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';

import type { ScriptStep } from '../../console/script.js';
import { errnoOf, VsbError } from '../../errors/index.js';
import type { CliContext } from '../context.js';

const DEFAULT_TIMEOUT_S = 30;

/** The options of a script as they stand on the command line: their order counts. */
type RawStep =
  | { readonly type: 'expect' | 'send' | 'send-file' | 'send-env'; readonly value: string }
  | { readonly type: 'timeout'; readonly seconds: number };

const examples = `
Script mode (no terminal needed; the steps run in the order given):
  $ vsbypass console vm1 --expect 'login: ' --send 'root\\r' \\
      --expect 'Password: ' --send-env VM_PASSWORD --send '\\r' --timeout 10 --expect '# $'
The VM's output goes to stdout. --timeout holds for the --expect options after it (default ${DEFAULT_TIMEOUT_S} s).
--expect looks only at output that came after the match before it. Exit code 124: it did not come.
A script that begins with --expect sees the history first, one that begins with --send does not (--replay overrides).`;

export function consoleCommand(context: CliContext): Command {
  const raw: RawStep[] = [];
  const step =
    (type: 'expect' | 'send' | 'send-file' | 'send-env') =>
    (value: string): true => {
      raw.push({ type, value });
      return true;
    };
  const command = new Command('console')
    .description('open the secure console of a user VM')
    .argument('<vm>', 'name of the VM')
    .option('--escape <char>', "escape character, or 'none'", parseEscape, '~')
    .addOption(
      new Option('--replay <what>', 'history to show on attach').choices(['all', 'none'] as const),
    )
    .option('--identity <file>', "private key to use instead of the instance's own")
    .option('--agent', 'use the keys of the SSH agent (SSH_AUTH_SOCK)')
    .option('--expect <regex>', 'script: wait for output that matches', step('expect'))
    .option('--send <text>', 'script: type text; knows \\r \\n \\t \\e \\\\ \\xHH', step('send'))
    .option(
      '--send-file <file>',
      'script: type what is in a file, less one line end at its end',
      step('send-file'),
    )
    .option('--send-env <name>', 'script: type the value of a variable', step('send-env'))
    .option(
      '--timeout <seconds>',
      'script: limit for each --expect that follows',
      (value): true => {
        raw.push({ type: 'timeout', seconds: parseSeconds(value) });
        return true;
      },
    )
    .option('--strip-ansi', 'script: match against output without terminal control sequences')
    .addHelpText('after', examples)
    .action(async (vm, options) => {
      const access = await context.instance();
      const { isShadowed, openConsole, runningGateway } = await import('../../console/open.js');
      runningGateway(access);
      const steps = await prepareSteps(raw, context.env);
      const firstStep = steps[0];
      if (firstStep === undefined && context.stdin.isTTY !== true) {
        throw new VsbError('E_USAGE', 'the console needs a terminal, or a script', {
          hint: 'see `vsbypass console --help` for --expect and --send',
        });
      }
      const { stdin, stdout, stderr, signal } = context;
      const history = options.replay ?? (firstStep?.type === 'send' ? 'none' : 'all');
      const stripAnsi = options.stripAnsi ?? false;
      const escape = options.escape === 'none' ? undefined : options.escape;
      const client = await import('../../console/client.js');
      if (!isShadowed(access, vm)) {
        const { warnNotSecure } = await import('../../console/operator.js');
        await warnNotSecure(stderr, context.env, vm);
      }
      const connection = await openConsole({
        access,
        vm,
        history,
        credentials: { ...options, agentSocket: context.env['SSH_AUTH_SOCK'] },
        signal,
      });
      context.exitWith(
        firstStep === undefined
          ? await client.interact(connection, { vm, stdin, stdout, stderr, escape, signal })
          : await client.interactByScript(connection, { stdout, stderr, steps, stripAnsi, signal }),
      );
    });
  return command as unknown as Command;
}

function parseEscape(value: string): string {
  if (value !== 'none' && !/^[\x21-\x7e]$/.test(value)) {
    throw new InvalidArgumentError("One printable ASCII character, or 'none'.");
  }
  return value;
}

function parseSeconds(value: string): number {
  const seconds = Number(value);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new InvalidArgumentError('Seconds, more than 0 and at most 86400.');
  }
  return seconds;
}

/** Checks the steps of a script before anything is sent, and reads their files and variables. */
async function prepareSteps(
  raw: readonly RawStep[],
  env: NodeJS.ProcessEnv,
): Promise<ScriptStep[]> {
  if (raw.length === 0) return [];
  const { parseExpectPattern, parseSendText } = await import('../../console/script.js');
  const steps: ScriptStep[] = [];
  let timeoutMs = DEFAULT_TIMEOUT_S * 1000;
  for (const step of raw) {
    switch (step.type) {
      case 'timeout':
        timeoutMs = step.seconds * 1000;
        break;
      case 'expect':
        steps.push({ type: 'expect', pattern: parseExpectPattern(step.value), timeoutMs });
        break;
      case 'send':
        steps.push({ type: 'send', bytes: parseSendText(step.value) });
        break;
      case 'send-file':
        steps.push({ type: 'send', bytes: await readSecret(step.value) });
        break;
      case 'send-env': {
        const value = env[step.value];
        if (value === undefined) {
          throw new VsbError('E_USAGE', `--send-env: the variable ${step.value} is not set`);
        }
        steps.push({ type: 'send', bytes: Buffer.from(value) });
        break;
      }
    }
  }
  if (steps.length === 0) {
    throw new VsbError('E_USAGE', '--timeout alone is no script', {
      hint: 'add --expect or --send',
    });
  }
  return steps;
}

/** A file's content; the line end that an editor leaves at its end is not part of a password. */
async function readSecret(path: string): Promise<Buffer> {
  try {
    const content = await readFile(path);
    const end = content.at(-1) === 0x0a ? (content.at(-2) === 0x0d ? -2 : -1) : content.length;
    return content.subarray(0, end);
  } catch (cause) {
    const message = `--send-file: cannot read ${path}: ${errnoOf(cause) ?? 'unknown error'}`;
    throw new VsbError('E_FILE', message, { cause });
  }
}
