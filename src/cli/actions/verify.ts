/** Carries `vsbypass verify` out: finds the VM, runs, prints the evidence, sets the exit code. */
import { searchProgram } from '../../build/programs.js';
import type { L2Kind } from '../../config/schema.js';
import { readKey } from '../../console/keys.js';
import { callDaemon } from '../../daemon/client.js';
import { inspectInstance } from '../../daemon/inspect.js';
import { isUp, type InstanceStatus, type VmStatus } from '../../daemon/protocol.js';
import { ExitCode, VsbError } from '../../errors/index.js';
import { hintOfKnown } from '../../errors/suggest.js';
import { managementTargets } from '../../testbed/management-targets.js';
import type { InstancePaths } from '../../testbed/paths.js';
import { readRecord } from '../../testbed/record.js';
import { readPasswords } from '../../testbed/secrets.js';
import { l1Ground, l2Ground } from '../../verify/ground.js';
import type { SelfTestReport, VerifyReport } from '../../verify/evidence.js';
import { selfTest, verify, type VerifyOptions } from '../../verify/run.js';
import { comparisonRows, conclusion, selfTestRows } from '../../verify/table.js';
import type { CliContext } from '../context.js';
import { servedInstance } from '../instance-access.js';
import { printJson, printLines, table } from '../output.js';

const bytesPerMiB = 1024 * 1024;

export interface VerifyFlags {
  readonly selfTest: boolean;
  readonly json: boolean;
}

/**
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_VM_UNKNOWN, E_USAGE (2); E_PACKAGE_MISSING (3); E_VERIFY and what
 *   else keeps it from being carried out (4); the signal's reason
 */
export async function runVerify(
  context: CliContext,
  vmName: string | undefined,
  flags: VerifyFlags,
): Promise<void> {
  const paths = await servedInstance(context.global.name, context.signal);
  const options = await prepare(context, paths, vmName);
  if (flags.selfTest) printSelfTest(context, await selfTest(options), flags.json);
  else printReport(context, await verify(options), options.l2, flags.json);
}

async function prepare(
  context: CliContext,
  paths: InstancePaths,
  vmName: string | undefined,
): Promise<VerifyOptions> {
  const { signal } = context;
  const status = await inspectInstance(paths, signal);
  const { gateway, management } = status;
  if (!isUp(status.state) || gateway === undefined || management === undefined) {
    throw new VsbError('E_INSTANCE_NOT_RUNNING', `instance '${paths.name}' is ${status.state}`, {
      hint: 'start it with `vsbypass up`',
    });
  }
  const { name: vm, hooked } = vmOf(status, vmName);
  const record = await readRecord(paths);
  const config = record?.config.vms.find((one) => one.name === vm);
  const password = (await readPasswords(paths))[vm];
  if (record === undefined || config === undefined || password === undefined) {
    throw new VsbError('E_VM_UNKNOWN', `nothing is known of how '${vm}' was made`);
  }
  if (config.kernel !== undefined || config.disk !== undefined) {
    throw new VsbError('E_USAGE', `verify logs in, and does not know how ${vm} does that`, {
      hint: 'Verify a VM of the default image; the shadow layer is the same for all.',
    });
  }
  const started = performance.now();
  return {
    vm,
    password,
    hooked: hooked ?? true,
    l2: record.config.l2.kind,
    memoryBytes: config.memoryMiB * bytesPerMiB,
    gateway: {
      host: gateway.host,
      port: gateway.port,
      hostKeyFingerprint: gateway.hostKeyFingerprint,
      privateKeyPem: (await readKey(gateway.clientKeyPath)).privatePem,
    },
    management: await managementTargets(paths, management),
    program: await searchProgram(paths.cacheDir, signal),
    signal,
    setHook: async (on, limit) => {
      await callDaemon(paths.controlSocket, 'vm.hook', { vm, on }, { signal: limit });
    },
    progress: (text) => {
      if (context.global.quiet) return;
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
      context.stderr.write(`verify ${seconds} s: ${text}\n`);
    },
  };
}

function vmOf(status: InstanceStatus, name: string | undefined): VmStatus {
  const vm = status.vms.find((one) => (name === undefined ? true : one.name === name));
  if (vm === undefined) {
    const known = status.vms.map((one) => one.name);
    throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${name}'`, {
      hint: hintOfKnown(name ?? '', known),
    });
  }
  if (vm.state === 'running') return vm;
  throw new VsbError('E_VM_GONE', `${vm.name} is ${vm.state}`, {
    hint: '`vsbypass vm start` starts it.',
  });
}

function printReport(context: CliContext, report: VerifyReport, l2: L2Kind, json: boolean): void {
  if (json) printJson(context, report);
  else {
    const rows = table(comparisonRows(report, knownLimits(l2)));
    printLines(context, [...rows, '', ...conclusion(report)]);
  }
  if (report.verdict === 'leak') context.exitWith(ExitCode.leak);
  if (report.verdict === 'inconclusive') {
    context.exitWith(ExitCode.layer);
    const why = report.reasons.join('; ');
    context.stderr.write(`vsbypass: this run proves nothing: ${why} [E_VERIFY]\n`);
  }
}

function printSelfTest(context: CliContext, report: SelfTestReport, json: boolean): void {
  if (json) printJson(context, report);
  else printLines(context, table(selfTestRows(report)));
  if (report.passed) return;
  context.exitWith(ExitCode.layer);
  const missed = report.missed.join(', ');
  context.stderr.write(`vsbypass: the search does not find what is in: ${missed} [E_VERIFY]\n`);
}

/** Channels that are reported and not judged. */
function knownLimits(l2: L2Kind): Set<string> {
  const subject = { vm: '', id: 0, qemuPid: 0, memoryBytes: 0, directory: '' };
  const channels = [...l2Ground(l2).channels(subject), ...l1Ground.channels(subject)];
  return new Set(
    channels.filter((one) => one.knownLimit === true).map((one) => `${one.layer} ${one.name}`),
  );
}
