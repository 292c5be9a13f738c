/** Carries `vsbypass console attach` out: on a terminal, or as a script, the secure way or the operator's. */
import { PassThrough } from 'node:stream';

import { VsbError } from '../../base/errors.js';
import {
  interact,
  type InteractiveOptions,
  type Reconnect,
} from '../../console/client/interactive.js';
import { isShadowed, openConsole, runningGateway } from '../../console/client/open.js';
import { warnNotSecure } from '../../console/client/operator.js';
import { Recording } from '../../console/client/recording.js';
import { sizeOf } from '../../console/client/terminal.js';
import type { ConsoleConnection } from '../../console/connection.js';
import { interactByScript } from '../../console/dialogue/at-console.js';
import type { AttachMode, AttachRequest, Replay } from '../../contract/gateway.js';
import type { KeyOptions } from '../commands/console-key-options.js';
import type { CliContext } from '../context.js';
import { prepareSteps, type RawStep } from './console-steps.js';

export interface AttachOptions extends KeyOptions {
  readonly escape: string;
  readonly replay?: Replay | undefined;
  readonly watch?: true | undefined;
  readonly take?: true | undefined;
  readonly sanitize?: true | undefined;
  readonly reconnect?: true | undefined;
  readonly record?: string | undefined;
  readonly recordInput?: true | undefined;
  readonly stripAnsi?: true | undefined;
}

/** @returns the exit code */
export async function attachConsole(
  context: CliContext,
  vm: string,
  options: AttachOptions,
  raw: readonly RawStep[],
): Promise<number> {
  if (options.watch === true && options.take === true) {
    throw new VsbError('E_USAGE', '--watch and --take contradict each other');
  }
  if (options.recordInput === true && options.record === undefined) {
    throw new VsbError('E_USAGE', '--record-input needs --record FILE');
  }
  const access = await context.instance();
  runningGateway(access);
  const steps = await prepareSteps(raw, context.env);
  if (steps.length === 0 && context.stdin.isTTY !== true && options.watch !== true) {
    throw new VsbError('E_USAGE', 'the console needs a terminal, or a script', {
      hint: 'see `vsbypass console attach --help` for --expect and --send; --watch needs neither',
    });
  }
  const shadowed = isShadowed(access, vm);
  if (!shadowed) await warnNotSecure(context.stderr, context.env, vm);
  const sanitize = options.sanitize === true;
  const connect = async (
    attach: AttachRequest,
    signal = context.signal,
  ): Promise<ConsoleConnection> => {
    const now = await context.instance();
    if (shadowed && !isShadowed(now, vm)) throw leftToL2(vm);
    return await openConsole({
      ...{ access: now, vm, attach, signal },
      // A screen is drawn with control sequences; who gives no size gets lines.
      size:
        steps.length === 0 && context.env['TERM'] !== 'dumb' ? sizeOf(context.stdout) : undefined,
      credentials: { ...options, agentSocket: context.env['SSH_AUTH_SOCK'] },
    });
  };
  if (steps.length === 0) {
    const attach = { as: modeOf(options, 'auto'), replay: options.replay, sanitize };
    const open: Reconnect = async (signal) => await connect(attach, signal);
    return await onTerminal(context, vm, options, shadowed, open);
  }
  const types = steps.some((step) => step.type === 'send');
  const connection = await connect({
    as: modeOf(options, types ? 'write' : 'auto'),
    replay: options.replay ?? (steps[0]?.type === 'send' ? 'none' : 'lines'),
    sanitize,
  });
  const { stdout, stderr, signal } = context;
  const stripAnsi = options.stripAnsi === true;
  return await interactByScript(connection, { stdout, stderr, signal, steps, stripAnsi });
}

async function onTerminal(
  context: CliContext,
  vm: string,
  options: AttachOptions,
  shadowed: boolean,
  connect: Reconnect,
): Promise<number> {
  const { stdout, stderr, signal } = context;
  // Without a terminal nobody types, and the end of the input (/dev/null, cron) ends nothing. A watcher whose output goes
  // elsewhere leaves the terminal alone: in the background (`&`) whoever changes its modes is stopped (SIGTTOU).
  const elsewhere = options.watch === true && stdout.isTTY !== true;
  const isTerminal = context.stdin.isTTY === true && !elsewhere;
  const stdin = isTerminal ? context.stdin : new PassThrough();
  const connection = await connect(signal);
  try {
    const recording = await startRecording(context, vm, options);
    const session: InteractiveOptions = {
      ...{ vm, stdin, stdout, stderr, signal, recording },
      dumb: context.env['TERM'] === 'dumb',
      escape: options.escape === 'none' || !isTerminal ? undefined : options.escape,
      reconnect: options.reconnect === true && shadowed ? connect : undefined,
    };
    try {
      return await interact(connection, session);
    } finally {
      await recording?.close();
    }
  } finally {
    // One that is not used would keep the keyboard from others, and this process from its end.
    connection.destroy();
  }
}

/** No further attempt by itself: what comes next is a console that others read. */
function leftToL2(vm: string): VsbError {
  const message = `COM1 of ${vm} has been left to L2: its console is not secure any more`;
  return new VsbError('E_CONSOLE_REFUSED', message, {
    layer: 'console',
    hint: '`vsbypass vm hook on` takes it back; `vsbypass console` again opens it as it is.',
  });
}

function modeOf(options: AttachOptions, otherwise: AttachMode): AttachMode {
  if (options.watch === true) return 'watch';
  return options.take === true ? 'take' : otherwise;
}

async function startRecording(
  { stdout, stderr, env }: CliContext,
  vm: string,
  { record, recordInput }: AttachOptions,
): Promise<Recording | undefined> {
  if (record === undefined) return undefined;
  const input = recordInput === true;
  if (input) stderr.write(`[vsbypass: ${record} gets all that you type, passwords too]\r\n`);
  const size = sizeOf(stdout) ?? { columns: 80, rows: 24 };
  const title = `console of ${vm}`;
  const onFailure = ({ message }: VsbError): void =>
    void stderr.write(`\r\n[vsbypass: ${message}]\r\n`);
  return await Recording.start({ path: record, title, size, input, term: env['TERM'], onFailure });
}
