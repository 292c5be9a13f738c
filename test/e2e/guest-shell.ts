/** A person at the secure console: logs in, types commands, reads what comes back. Through the real command line only. */
import type { CommandLine } from './command-line.js';
import { patientSeconds } from './limits.js';

let turn = 0;

/** Logs root in. The first thing seen is the history, so the prompt may have been there for long. */
export async function logIn(cli: CommandLine, vm: string, password: string): Promise<void> {
  await cli.must(
    [
      'console',
      vm,
      ...['--timeout', patientSeconds(240)],
      ...['--expect', `${vm} login: $`, '--send', 'root\\r'],
      ...['--expect', 'Password: ', '--send-env', 'GUEST_PASSWORD', '--send', '\\r'],
      ...['--expect', '# '],
    ],
    { env: { GUEST_PASSWORD: password }, timeoutMs: 260_000 },
  );
}

export interface ShellOptions {
  readonly timeoutSeconds?: number;
  /** Typed after the command: what it reads from its standard input. */
  readonly inputFile?: string;
}

/**
 * Runs one command in the shell of a logged-in console and returns what it printed, with the line ends
 * of a terminal turned back. The marks are split in what is typed, so that their echo does not match.
 */
export async function shell(
  cli: CommandLine,
  vm: string,
  command: string,
  options: ShellOptions = {},
): Promise<string> {
  const id = ++turn;
  const seconds = options.timeoutSeconds ?? 60;
  const typed = `echo BE''GIN-${id}; ${command}; echo; echo EN''D-${id}`;
  const stdout = await cli.must(
    [
      'console',
      vm,
      ...['--timeout', patientSeconds(seconds)],
      ...['--send', `${typed.replaceAll('\\', '\\\\')}\\r`],
      ...['--expect', `BEGIN-${id}\\r\\n`],
      ...(options.inputFile === undefined ? [] : ['--send-file', options.inputFile]),
      ...['--expect', `END-${id}\\r\\n`],
    ],
    { timeoutMs: (seconds * 2 + 30) * 1000 },
  );
  const begin = `BEGIN-${id}\r\n`;
  const from = stdout.lastIndexOf(begin) + begin.length;
  const to = stdout.lastIndexOf(`\r\nEND-${id}\r\n`);
  return stdout.slice(from, to).replaceAll('\r\n', '\n');
}
