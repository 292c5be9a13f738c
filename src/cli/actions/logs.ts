/** Carries `vsbypass logs` out. */
import { stat } from 'node:fs/promises';

import { BoundedLines } from '../../base/bounded-lines.js';
import { VsbError } from '../../base/errors.js';
import { hintOfKnown } from '../../base/suggest.js';
import { printableText } from '../../formats/ansi.js';
import { openRemote, shellQuote } from '../../host/ssh.js';
import { existingInstance } from '../../instance/access.js';
import { callDaemon } from '../../instance/client.js';
import { l2VmPaths } from '../../layers/l2-paths.js';
import { readLog, stampLine, type LogLine } from '../../state/logs/files.js';
import { followLog } from '../../state/logs/follow.js';
import { layerNames, logOfLayer } from '../../state/logs/layers.js';
import { parseSince } from '../../state/logs/since.js';
import { accessToL2 } from '../../state/management-targets.js';
import type { InstancePaths } from '../../state/paths.js';
import type { CliContext } from '../context.js';
import { printJson } from '../output.js';

interface LogOptions {
  readonly follow: boolean;
  /** Last lines; without it 50, or all that are new enough. */
  readonly lines?: number | undefined;
  readonly since?: string | undefined;
  readonly json: boolean;
}

const defaultLines = 50;
const operatorLogBytes = 65_536;

/** @throws VsbError E_LAYER_UNKNOWN, E_INSTANCE_UNKNOWN, E_USAGE; for `vm:` also E_DAEMON_GONE, E_VM_UNKNOWN, E_SSH */
export async function showLog(
  context: CliContext,
  layer: string,
  options: LogOptions,
): Promise<void> {
  const paths = await existingInstance(context.global.name);
  const since = options.since === undefined ? undefined : moment(options.since);
  if (options.follow && options.json) throw new VsbError('E_USAGE', '--json ends, -f does not');
  if (layer.startsWith('vm:')) {
    if (since !== undefined) throw new VsbError('E_USAGE', "L2's log of a VM carries no times");
    await showOperatorLog(context, paths, layer.slice(3), options);
    return;
  }
  const log = logOfLayer(paths, layer);
  if (log === undefined) {
    throw new VsbError('E_LAYER_UNKNOWN', `there is no layer '${layer}'`, {
      hint: hintOfKnown(layer, [...layerNames, 'vm:<name>']),
    });
  }
  const end = await stat(log.path).then(
    ({ size }) => size,
    () => 0,
  );
  const lines = selectLines(await readLog(log.path), log.matches, options.lines, since);
  if (options.json) {
    printDocument(context, layer, lines);
    return;
  }
  const print = lineWriter(context);
  lines.forEach(print);
  if (!options.follow) return;
  for await (const line of followLog(log.path, end, context.signal)) {
    if (log.matches(line.text)) print(line);
  }
}

function moment(text: string): number {
  const since = parseSince(text, Date.now());
  if (since !== undefined) return since;
  throw new VsbError('E_USAGE', `--since cannot be '${text}'`, {
    hint: 'Such as 90s, 10m, 2h, 1d, or 2026-01-31T12:00:00Z.',
  });
}

/** The last lines that match and are new enough. A line without a time is as old as the one before it. */
export function selectLines(
  lines: readonly LogLine[],
  matches: (text: string) => boolean,
  count: number | undefined,
  since: number | undefined,
): LogLine[] {
  let time = Number.NEGATIVE_INFINITY;
  const own = lines.filter((line) => {
    time = line.time ?? time;
    return (since === undefined || time >= since) && matches(line.text);
  });
  const limit = count ?? (since === undefined ? defaultLines : own.length);
  return own.slice(Math.max(0, own.length - limit));
}

async function showOperatorLog(
  context: CliContext,
  paths: InstancePaths,
  vm: string,
  options: LogOptions,
): Promise<void> {
  const count = options.lines ?? defaultLines;
  if (options.follow) {
    await followOperatorLog(context, vm, count);
    return;
  }
  const { text } = await callDaemon(
    paths.controlSocket,
    'vm.operator-log',
    { vm, bytes: operatorLogBytes },
    { signal: context.signal },
  );
  const lines = linesOf(text).map((line): LogLine => ({ time: undefined, text: line }));
  const selected = selectLines(lines, () => true, count, undefined);
  if (options.json) printDocument(context, `vm:${vm}`, selected);
  else selected.forEach(lineWriter(context));
}

async function followOperatorLog(context: CliContext, vm: string, count: number): Promise<void> {
  const { vms, management } = await context.instance();
  if (management === undefined || !vms.includes(vm)) {
    throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${vm}' whose log could be followed`);
  }
  const path = shellQuote(l2VmPaths(vm).consoleLog);
  const { signal } = context;
  const tail = await openRemote(accessToL2(management), `exec tail -n ${count} -F ${path}`, {
    signal,
  });
  const print = lineWriter(context);
  const lines = new BoundedLines();
  tail.channel.on('data', (chunk: Buffer) => {
    for (const text of lines.push(chunk.toString('latin1'))) print({ time: undefined, text });
  });
  await tail.closed;
  signal.throwIfAborted();
  throw new VsbError('E_SSH', 'the connection to L2 has ended', { layer: 'L2' });
}

function linesOf(text: string): string[] {
  const lines = new BoundedLines();
  const complete = lines.push(text);
  return lines.partial === '' ? complete : [...complete, lines.partial];
}

function printDocument(context: CliContext, layer: string, lines: readonly LogLine[]): void {
  printJson(context, {
    schemaVersion: 1,
    layer,
    lines: lines.map(({ time, text }) => ({
      ...(time === undefined ? {} : { time: new Date(time).toISOString() }),
      text,
    })),
  });
}

/** Layers print what they like; on a terminal control sequences of theirs are left out. */
function lineWriter(context: CliContext): (line: LogLine) => void {
  const clean = context.stdout.isTTY === true ? printableText : (text: string) => text;
  return ({ time, text }) => {
    const line = clean(text);
    const stamped = time === undefined ? line : stampLine(line, new Date(time));
    context.stdout.write(`${stamped}\n`, 'latin1');
  };
}
