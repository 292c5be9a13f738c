/** Carries `vsbypass up` out: host, images, daemon, boot. */
import { readdir } from 'node:fs/promises';

import { buildImages, type ImageDirectories } from '../../build/images.js';
import { loadConfig } from '../../config/load.js';
import type { AccelChoice, Config, ConsoleMode } from '../../config/schema.js';
import { bootInstance } from '../../daemon/boot.js';
import { inspectInstance } from '../../daemon/inspect.js';
import { isUp, type InstanceStatus, type VmStatus } from '../../daemon/protocol.js';
import { stopInstance } from '../../daemon/stop.js';
import { VsbError } from '../../errors/index.js';
import { decideAccel } from '../../host/accel.js';
import { assertHost, inspectHost } from '../../host/checks.js';
import { probeKvm } from '../../host/qemu.js';
import { createReporter, type Reporter } from '../../reporters/reporter.js';
import { shellQuote } from '../../ssh/client.js';
import { findRoots, instancePaths, type InstancePaths, type Roots } from '../../testbed/paths.js';
import { planTestbed } from '../../testbed/plan.js';
import { readPasswords } from '../../testbed/secrets.js';
import type { CliContext } from '../context.js';
import { printJson, printLines, statusDocument, statusLines } from '../output.js';

export interface UpOptions {
  readonly config?: string | undefined;
  readonly vms?: number | undefined;
  readonly accel?: AccelChoice | undefined;
  readonly console?: ConsoleMode | undefined;
  readonly json: boolean;
  readonly showPassword: boolean;
}

/**
 * @throws VsbError: E_CONFIG, E_INSTANCE_EXISTS, E_BUSY (2); what the host lacks (3); a failed layer (4);
 *   the signal's reason, when nothing is left running
 */
export async function bringUp(context: CliContext, options: UpOptions): Promise<void> {
  const { signal } = context;
  const roots = findRoots();
  const paths = instancePaths(context.global.name, roots);
  const config = await readConfig(options);
  const reporter = await createReporter({
    stream: context.stderr,
    env: context.env,
    quiet: context.global.quiet,
    verbose: context.global.verbose,
  });
  try {
    await makeWay(paths, reporter, signal);
    const host = await inspectHost({
      config,
      cacheDir: roots.cache,
      stateDir: paths.stateDir,
      willBuild: !(await imagesLookBuilt(roots.cache)),
      signal,
    });
    const accel = assertHost(host);
    reporter.report({ type: 'accel', ...accel });
    const images = await build(roots, reporter, signal);
    const status = await bootInstance(
      { paths, roots, request: { config, accel, images } },
      { signal, report: (event) => reporter.report(event) },
    );
    reporter.stop();
    await printResult(context, options, paths, status);
  } finally {
    reporter.stop();
  }
}

async function readConfig(options: UpOptions): Promise<Config> {
  return await loadConfig({
    directory: process.cwd(),
    path: options.config,
    vmCount: options.vms,
    accel: options.accel,
    consoleMode: options.console,
  });
}

/** A running instance is an error, a broken one is cleared away. */
async function makeWay(
  paths: InstancePaths,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const { name, state, reason } = await inspectInstance(paths, signal);
  if (isUp(state)) {
    const how = reason === undefined ? '' : ` (${state}: ${reason})`;
    throw new VsbError('E_INSTANCE_EXISTS', `instance '${name}' is up already${how}`, {
      hint: '`vsbypass status` shows it; `vsbypass down` ends it; --name makes another one.',
    });
  }
  if (state === 'starting' || state === 'stopping') {
    throw new VsbError('E_BUSY', `instance '${name}' is ${state}, by another command`, {
      hint: 'Wait for it, or `vsbypass down`.',
    });
  }
  if (state === 'broken' && (await stopInstance(paths))) {
    reporter.report({
      type: 'recovered',
      what: `cleared away a broken instance (${reason ?? 'no reason known'})`,
    });
  }
}

/** Whether a build left something of each image; images/build itself knows if it is current. */
async function imagesLookBuilt(cacheDir: string): Promise<boolean> {
  const names = await readdir(cacheDir).catch(() => []);
  return ['xen-', 'l1-', 'l1-disk-'].every((prefix) =>
    names.some((name) => name.startsWith(prefix)),
  );
}

async function build(
  roots: Roots,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<ImageDirectories> {
  const start = performance.now();
  reporter.report({ type: 'build', reason: 'started' });
  const images = await buildImages({
    cacheDir: roots.cache,
    signal,
    onProgress: (line) => reporter.report({ type: 'build', reason: 'progress', line }),
  });
  reporter.report({ type: 'build', reason: 'passed', elapsedMs: performance.now() - start });
  return images;
}

async function printResult(
  context: CliContext,
  options: UpOptions,
  paths: InstancePaths,
  status: InstanceStatus,
): Promise<void> {
  const passwords = options.showPassword ? await readPasswords(paths) : undefined;
  if (options.json) {
    printJson(context, statusDocument(status, passwords));
    return;
  }
  const instance = status.name === 'default' ? '' : ` --name ${status.name}`;
  const [first] = status.vms;
  printLines(context, [
    ...statusLines(status, passwords),
    '',
    ...(first === undefined ? [] : [consoleLine(first, instance)]),
    ...(options.showPassword
      ? []
      : [`root's password: vsbypass${instance} status --show-password`]),
  ]);
}

function consoleLine(vm: VmStatus, instance: string): string {
  const what = vm.hooked === false ? 'console (NOT SECURE):' : 'secure console: ';
  return `${what} vsbypass${instance} console ${vm.name}`;
}

/** Prints the plan; looks at the host for the accelerator only, and starts nothing. */
export async function dryRun(context: CliContext, options: UpOptions): Promise<void> {
  const paths = instancePaths(context.global.name, findRoots());
  const config = await readConfig(options);
  const kvm = config.accel === 'tcg' ? undefined : await probeKvm({ signal: context.signal });
  const accel = decideAccel(config.accel, kvm);
  const plan = planTestbed(paths, config, accel.accel);
  if (options.json) {
    printJson(context, { schemaVersion: 1, name: paths.name, accel, ...plan });
    return;
  }
  const commandLine = (words: readonly string[]): string =>
    words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : shellQuote(word))).join(' ');
  printLines(context, [
    `# accelerator ${accel.accel}: ${accel.why}`,
    '',
    '# L0: on this host',
    `cd ${commandLine([plan.qemu.workingDirectory])}`,
    commandLine([plan.qemu.program, ...plan.qemu.arguments]),
    '',
    '# L1: the shadow hypervisor',
    plan.xenCommandLine,
    "# L1: its dom0's kernel",
    plan.dom0CommandLine,
    '',
    '# L2: /etc/vsbypass/l2.cfg in L1, created with xl',
    plan.l2DomainConfig.trimEnd(),
    ...plan.vms.flatMap((vm) => [
      '',
      `# L3: user VM ${vm.name}, run in L2`,
      commandLine(vm.command),
    ]),
  ]);
}
