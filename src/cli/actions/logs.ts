/** Carries `vsbypass logs` out. */
import { printableText } from '../../console/ansi.js';
import { callDaemon } from '../../daemon/client.js';
import { LogFollower } from '../../daemon/log-follower.js';
import { VsbError } from '../../errors/index.js';
import { readIfThere } from '../../testbed/files.js';
import type { InstancePaths } from '../../testbed/paths.js';
import { existingInstance } from '../instance-access.js';
import type { CliContext } from '../context.js';

interface LogOptions {
  readonly follow: boolean;
  readonly lines: number;
}

interface LayerLog {
  readonly path: string;
  /** Which lines of the file are the layer's. */
  matches(line: string): boolean;
}

/** dom0's console goes through Xen, which marks its own lines. */
const isXen = (line: string): boolean => line.startsWith('(XEN)');
const operatorLogBytes = 65_536;

function layerLog(paths: InstancePaths, layer: string): LayerLog | undefined {
  const whole = (path: string): LayerLog => ({ path, matches: () => true });
  switch (layer) {
    case 'xen':
      return { path: paths.l1Log, matches: isXen };
    case 'l1':
      return { path: paths.l1Log, matches: (line) => !isXen(line) };
    case 'l2':
      return whole(paths.l2Log);
    case 'qemu':
      return whole(paths.qemuLog);
    case 'daemon':
      return whole(paths.daemonLog);
    default:
      return undefined;
  }
}

/** @throws VsbError E_LAYER_UNKNOWN, E_INSTANCE_UNKNOWN; for `vm:` also E_DAEMON_GONE, E_VM_UNKNOWN, E_SSH */
export async function showLog(
  context: CliContext,
  layer: string,
  options: LogOptions,
): Promise<void> {
  const paths = await existingInstance(context.global.name);
  if (layer.startsWith('vm:')) {
    await showOperatorLog(context, paths, layer.slice(3), options);
    return;
  }
  const log = layerLog(paths, layer);
  if (log === undefined) {
    throw new VsbError('E_LAYER_UNKNOWN', `there is no layer '${layer}'`, {
      hint: 'Layers: xen, l1, l2, qemu, daemon, vm:<name>.',
    });
  }
  const content = (await readIfThere(log.path)) ?? Buffer.alloc(0);
  const print = lineWriter(context);
  lastLines(content.toString('latin1'), options.lines, (line) => log.matches(line)).forEach(print);
  if (!options.follow) return;
  const end = content.lastIndexOf(0x0a) + 1;
  const follower = await LogFollower.open(log.path, end);
  follower.on('line', (line) => {
    if (log.matches(line)) print(line);
  });
  await new Promise<void>((resolve) => {
    context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await follower.close();
  context.signal.throwIfAborted();
}

async function showOperatorLog(
  context: CliContext,
  paths: InstancePaths,
  vm: string,
  options: LogOptions,
): Promise<void> {
  if (options.follow)
    throw new VsbError('E_USAGE', '-f works for the layers xen, l1, l2, qemu and daemon');
  const params = { vm, bytes: operatorLogBytes };
  const { text } = await callDaemon(paths.controlSocket, 'vm.operator-log', params, {
    signal: context.signal,
  });
  lastLines(text, options.lines, () => true).forEach(lineWriter(context));
}

/** Layers print what they like; on a terminal control sequences of theirs are left out. */
function lineWriter(context: CliContext): (line: string) => void {
  const clean = context.stdout.isTTY === true ? printableText : (line: string) => line;
  return (line) => void context.stdout.write(`${clean(line)}\n`, 'latin1');
}

/** The last complete lines that match; an unfinished one at the end counts. */
export function lastLines(
  text: string,
  count: number,
  matches: (line: string) => boolean,
): string[] {
  const lines = text.split('\n').map((line) => line.replace(/\r+$/, ''));
  if (lines.at(-1) === '') lines.pop();
  const own = lines.filter(matches);
  return own.slice(Math.max(0, own.length - count));
}
