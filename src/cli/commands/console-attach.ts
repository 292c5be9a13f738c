/**
 * `vsbypass console [attach] <vm>`: the secure console, on a terminal or as a script. For a VM whose COM1 is
 * left to L2 it goes the operator's way instead, and says that this is not secure. `--web` serves it as a page.
 */
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';

import { VsbError } from '../../base/errors.js';
import type { RawStep } from '../actions/console-steps.js';
import type { CliContext } from '../context.js';
import { keyOptions } from './console-key-options.js';

const examples = `
On a terminal ~? at the start of a line lists what can be asked for, ~. leaves. One session types at a time;
others see what it does.
  $ vsbypass console vm1 --watch                 only look on
  $ vsbypass console vm1 --take                  type, also if somebody else does
  $ vsbypass console 11111111-2222               a VM of L2's operator: by its UUID, or the beginning of it
  $ vsbypass console vm1 --record vm1.cast       asciinema play vm1.cast
  $ nohup vsbypass console vm1 --watch --record vm1.cast </dev/null >vm1.log 2>&1 &
                                                 goes on without a terminal, until SIGTERM
  $ vsbypass console --web                       in a browser: prints a link that works once

Script mode (no terminal needed; the steps run in the order given):
  $ vsbypass console vm1 --expect 'login: ' --send 'root\\r' \\
      --expect 'Password: ' --send-env VM_PASSWORD --send '\\r' --timeout 10 --expect '# $'
The VM's output goes to stdout. --timeout holds for the --expect options after it (default 30 s).
--expect looks only at output that came after the match before it. Exit code 124: it did not come.
A script that begins with --expect sees the history first, one that begins with --send does not (--replay overrides).
It is refused while somebody else types, unless it says --take.`;

export function attachCommand(context: CliContext): Command {
  const raw: RawStep[] = [];
  const step =
    (type: 'expect' | 'send' | 'send-file' | 'send-env') =>
    (value: string): true => {
      raw.push({ type, value });
      return true;
    };
  const command = keyOptions(new Command('attach'))
    .description('open the secure console of a user VM')
    .argument('[vm]', 'name or UUID of the VM; may be left out with --web')
    .option('--watch', 'only look on')
    .option('--take', 'type, also if somebody else does: that session looks on from then')
    .option('--escape <char>', "escape character, or 'none'", parseEscape, '~')
    .addOption(
      new Option(
        '--replay <what>',
        'what to see first: the screen as it is, all lines kept, or nothing',
      ).choices(['screen', 'lines', 'none'] as const),
    )
    .option('--reconnect', 'connect again when the connection breaks')
    .option('--sanitize', 'leave out what can attack a terminal: clipboard, titles, reports')
    .option('--record <file>', 'record the output as an asciicast')
    .option('--record-input', 'record what is typed too: passwords!')
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
    .option('--web', 'serve a page with the console on loopback, and print the link to it')
    .option('--web-port <port>', 'port of that page, 0 for any free one', parsePort, 0)
    .option('--strip-ansi', 'script: match against output without terminal control sequences')
    .addHelpText('after', examples)
    .action(async (vm, options) => {
      if (options.web === true) {
        if (raw.length > 0) throw new VsbError('E_USAGE', '--web and a script exclude each other');
        const { serveWeb } = await import('../actions/web.js');
        return await serveWeb(context, vm, options);
      }
      if (vm === undefined) throw new VsbError('E_USAGE', 'which VM? Give its name');
      const { attachConsole } = await import('../actions/console-attach.js');
      context.exitWith(await attachConsole(context, vm, options, raw));
    });
  return command as unknown as Command;
}

function parseEscape(value: string): string {
  if (value !== 'none' && !/^[\x21-\x7e]$/.test(value)) {
    throw new InvalidArgumentError("One printable ASCII character, or 'none'.");
  }
  return value;
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65535) throw new InvalidArgumentError('A port, 0 to 65535.');
  return port;
}

/** Seconds of a time limit. */
export function parseSeconds(value: string): number {
  const seconds = Number(value);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new InvalidArgumentError('Seconds, more than 0 and at most 86400.');
  }
  return seconds;
}
