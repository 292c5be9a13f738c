/** What commands print on stdout: data for people, or one JSON document. */
import type { Writable } from 'node:stream';

import { jsonText } from '../base/json.js';
import type { InstanceStatus, IrqStatus, VmStatus } from '../contract/status.js';
import type { LayerHealth } from '../contract/health.js';
import { sentenceOf } from '../contract/watched.js';
import type { Passwords } from '../state/secrets.js';
import { printableLines, printableText } from '../formats/ansi.js';
import type { CliContext } from './context.js';
import { describeAccel } from './show/accel.js';
import type { Reporter } from './show/reporter.js';

export function printJson(context: CliContext, document: unknown): void {
  context.stdout.write(`${jsonText(document, 2)}\n`);
}

export function printLines(context: CliContext, lines: readonly string[]): void {
  printLinesTo(context.stdout, lines);
}

/** Prints what may have text of the guests in it, made harmless for a terminal. */
export function printLinesTo(stream: Writable, lines: readonly string[]): void {
  for (const line of lines) stream.write(`${printableLines(line)}\n`);
}

/** Progress for people, on stderr. */
export async function progressReporter(context: CliContext): Promise<Reporter> {
  const { createReporter } = await import('./show/reporter.js');
  return await createReporter({
    stream: context.stderr,
    env: context.env,
    quiet: context.global.quiet,
    verbose: context.global.verbose,
  });
}

/** A size for people. */
export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}

/** Columns of a table, as wide as their widest cell. Each cell is made harmless by itself: none hides the next. */
export function table(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map(printableText));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  }
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** An instance for people. */
export function statusLines(status: InstanceStatus, passwords: Passwords | undefined): string[] {
  const { gateway, accel, processes, shadowHypervisor: hypervisor } = status;
  const about: string[][] = [
    ['instance', status.name],
    ['state', status.reason === undefined ? status.state : `${status.state}: ${status.reason}`],
  ];
  if (status.phase !== undefined) about.push(['phase', status.phase]);
  if (status.since !== undefined) about.push(['since', status.since]);
  if (accel !== undefined) about.push(['machine', describeAccel(accel)]);
  const pids = [
    ...(processes.daemon === undefined ? [] : [`daemon ${processes.daemon}`]),
    ...(processes.qemu === undefined
      ? []
      : [`${accel?.accel === 'bochs' ? 'Bochs' : 'QEMU'} ${processes.qemu}`]),
  ];
  if (pids.length > 0) about.push(['processes', pids.join(', ')]);
  if (status.layers !== undefined) about.push(['layers', describeLayers(status.layers)]);
  if (status.clockJump !== undefined) {
    const { seconds, at } = status.clockJump;
    about.push(['clock', `this host's clock jumped by ${seconds} s, to ${at}`]);
  }
  if (hypervisor !== undefined) {
    about.push([
      'hypervisor',
      `Xen ${hypervisor.version}, ${hypervisor.slots} consoles, ${hypervisor.badFrames} bad frames`,
    ]);
  }
  if (status.irq !== undefined) about.push(['interrupts', describeInterrupts(status.irq)]);
  if (gateway !== undefined) {
    about.push(['console', `${gateway.host}:${gateway.port}, key ${gateway.hostKeyFingerprint}`]);
  }
  const lines = table(about);
  if (status.vms.length > 0) lines.push('', ...vmTable(status.vms, passwords));
  const notes = status.vms.flatMap((vm) => [...labelNote(vm), ...watchNotes(vm)]);
  if (notes.length > 0) lines.push('', ...notes);
  return lines;
}

export function describeInterrupts({ mode, active, restarts }: IrqStatus): string {
  if (active === undefined) return mode;
  const now = active === mode ? 'the server in L2 runs' : `the server in L2 has ended, ${active}`;
  return `${mode} (${now}${restarts === undefined || restarts === 0 ? '' : `, started again ${restarts} times`})`;
}

function describeLayers(layers: readonly LayerHealth[]): string {
  return layers.map(({ layer, state }) => `${layer} ${state}`).join(', ');
}

function labelNote({ name, uuid, label, claims, sharedWith = [] }: VmStatus): string[] {
  if (label === undefined) return [];
  if (label === 'shared') {
    return [
      `${name}: ${sharedWith.join(', ')} runs with its UUID ${uuid}, too; only one of them is it`,
    ];
  }
  const says = claims === undefined ? 'it has none' : `it says ${claims}`;
  return [`${name}: its UUID is doubtful (${says}), so no name stands for it`];
}

function watchNotes({ name, watched = [] }: VmStatus): string[] {
  return watched.map((one) => `${name}: ${sentenceOf(one)}`);
}

function vmTable(vms: readonly VmStatus[], passwords: Passwords | undefined): string[] {
  const header = ['VM', 'STATE', 'SHADOWED', 'SESSIONS', 'BYTES OUT', 'BYTES IN'];
  if (passwords !== undefined) header.push('ROOT PASSWORD');
  return table([
    header,
    ...vms.map((vm) => [
      vm.name,
      vm.state,
      vm.hooked === undefined ? '-' : vm.hooked ? 'yes' : 'no',
      String(vm.sessions),
      String(vm.bytesOut),
      String(vm.bytesIn),
      ...(passwords === undefined ? [] : [passwords.get(vm.name) ?? '-']),
    ]),
  ]);
}

/** A status document, with passwords where they were asked for. */
export function statusDocument(
  status: InstanceStatus,
  passwords: Passwords | undefined,
): Record<string, unknown> {
  if (passwords === undefined) return status;
  return {
    ...status,
    vms: status.vms.map((vm) => {
      const password = passwords.get(vm.name);
      return password === undefined ? vm : { ...vm, password };
    }),
  };
}
