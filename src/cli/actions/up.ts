/** Carries `vsbypass up` out: host, images, daemon, boot. */
import { loadConfig } from '../../config/load.js';
import type {
  AccelChoice,
  Config,
  ConsoleMode,
  CpuChoice,
  IrqMode,
  L2Kind,
} from '../../config/schema.js';
import { activityAfter } from '../../contract/activity.js';
import type { InstanceStatus, VmStatus } from '../../contract/status.js';
import { asksKvm, decideAccel, type Accel } from '../../host/accel.js';
import { probeKvm } from '../../host/kvm.js';
import { assertRunsWith, withRequiredAccel } from '../../host/required-accel.js';
import { shellQuote } from '../../host/ssh.js';
import { bringUpInstance } from '../../instance/bring-up.js';
import { planTestbed } from '../../machine/plan.js';
import { warmName } from '../../machine/saved/store.js';
import { instancePaths, type InstancePaths } from '../../state/paths.js';
import { findRoots } from '../../state/roots.js';
import { readPasswords } from '../../state/secrets.js';
import type { CliContext } from '../context.js';
import { eventReporter, printEvent } from '../events.js';
import {
  printJson,
  printLines,
  printLinesTo,
  progressReporter,
  statusDocument,
  statusLines,
} from '../output.js';
import { describeAccel } from '../show/accel.js';
import type { Reporter } from '../show/reporter.js';
import { Timings } from '../show/timings.js';
import { refreshSshConfig } from './ssh-config.js';

export interface UpOptions {
  readonly config?: string | undefined;
  readonly vms?: number | undefined;
  readonly accel?: AccelChoice | undefined;
  readonly cpu?: CpuChoice | undefined;
  readonly require?: Accel | undefined;
  readonly l2?: L2Kind | undefined;
  readonly console?: ConsoleMode | undefined;
  readonly irq?: IrqMode | undefined;
  readonly json: boolean;
  readonly events: boolean;
  readonly timings: boolean;
  readonly showPassword: boolean;
  readonly cold: boolean;
  /** `--no-save` */
  readonly save: boolean;
  readonly keepFailed: boolean;
}

/**
 * @throws VsbError: E_CONFIG, E_USAGE, E_INSTANCE_EXISTS, E_BUSY (2); what the host lacks (3); a failed layer (4);
 *   the signal's reason, when nothing is left running
 */
export async function bringUp(context: CliContext, options: UpOptions): Promise<void> {
  const roots = findRoots();
  const paths = instancePaths(context.global.name, roots);
  const config = await readConfig(options);
  const timings = new Timings();
  const shown = options.events ? eventReporter(context) : await progressReporter(context);
  const reporter: Reporter = {
    report: (event) => {
      const doing = activityAfter(event);
      if (doing !== undefined) context.doing(doing);
      timings.take(event);
      shown.report(event);
    },
    stop: () => shown.stop(),
  };
  try {
    const status = await bringUpInstance({
      paths,
      roots,
      config,
      signal: context.signal,
      warm: {
        ...(options.cold ? {} : { resume: warmName }),
        keep: options.save,
      },
      keepFailed: options.keepFailed,
      report: (event) => reporter.report(event),
    });
    // One that was up and has only got a new daemon may be another.
    assertRunsWith(options.require, status);
    await refreshSshConfig(await context.instance());
    reporter.stop();
    await printResult(context, options, paths, status, timings.lines());
  } finally {
    reporter.stop();
  }
}

async function readConfig(options: UpOptions): Promise<Config> {
  const config = await loadConfig({
    directory: process.cwd(),
    path: options.config,
    vmCount: options.vms,
    accel: options.accel,
    cpu: options.cpu,
    l2Kind: options.l2,
    consoleMode: options.console,
    irqMode: options.irq,
  });
  return withRequiredAccel(config, options.require);
}

async function printResult(
  context: CliContext,
  options: UpOptions,
  paths: InstancePaths,
  status: InstanceStatus,
  timings: readonly string[],
): Promise<void> {
  if (options.timings) printLinesTo(context.stderr, timings);
  if (options.events) {
    printEvent(context, { type: 'status', status });
    return;
  }
  const known = await readPasswords(paths);
  const passwords = options.showPassword ? known : undefined;
  if (options.json) {
    printJson(context, statusDocument(status, passwords));
    return;
  }
  const instance = status.name === 'default' ? '' : ` --name ${status.name}`;
  // In a system of the user's own one that the configuration names may not be there yet.
  const first = status.vms.find(({ state }) => state === 'running') ?? status.vms[0];
  const passwordsCanBeShown = !options.showPassword && known.size > 0;
  printLines(context, [
    ...statusLines(status, passwords),
    '',
    ...(first === undefined ? [] : [consoleLine(first, instance)]),
    ...(passwordsCanBeShown ? [`root's password: vsbypass${instance} status --show-password`] : []),
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
  const kvm = asksKvm(config) ? await probeKvm({ signal: context.signal }) : undefined;
  const accel = decideAccel(config, kvm);
  const plan = planTestbed(paths, config, accel);
  if (options.json) {
    const { machine, ...layers } = plan;
    const { program, arguments: words, workingDirectory } = machine;
    const qemu = { program, arguments: words, workingDirectory };
    printJson(context, { schemaVersion: 1, name: paths.name, accel, qemu, ...layers });
    return;
  }
  const commandLine = (words: readonly string[]): string =>
    words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : shellQuote(word))).join(' ');
  printLines(context, [
    `# ${describeAccel(accel)}`,
    '',
    '# L0: on this host',
    `cd ${commandLine([plan.machine.workingDirectory])}`,
    commandLine([plan.machine.program, ...plan.machine.arguments]),
    '',
    '# L1: the shadow hypervisor',
    plan.xenCommandLine,
    "# L1: its dom0's kernel",
    plan.dom0CommandLine,
    '',
    '# L2: /etc/vsbypass/l2.cfg in L1, created with xl',
    plan.l2DomainConfig.trimEnd(),
    ...plan.l2BootFiles.flatMap(({ path, content }) => [
      '',
      `# L2: ${path}`,
      content.toString().trimEnd(),
    ]),
    ...plan.vms.flatMap(({ name, definition }) => [
      '',
      ...(definition.kind === 'kvm'
        ? [`# L3: user VM ${name}, run in L2`, commandLine(definition.command)]
        : [
            `# L3: user VM ${name}, created in L2 with xl`,
            definition.domainConfig.trimEnd(),
            ...(definition.grubConfig === undefined
              ? []
              : [`# and GRUB in it`, definition.grubConfig.trimEnd()]),
          ]),
    ]),
  ]);
}
