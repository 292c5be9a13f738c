/** Carries `vsbypass verify` out: finds the VM, runs, prints the evidence, sets the exit code. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { ExitCode, VsbError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { hintOfKnown } from '../../base/suggest.js';
import { isUp, type InstanceStatus, type VmStatus } from '../../contract/status.js';
import type { SelfTestReport, VerifyReport } from '../../contract/evidence.js';
import { readKey } from '../../formats/keys/key-files.js';
import { toJunit } from '../../formats/test-run/junit.js';
import { toTap } from '../../formats/test-run/tap.js';
import type { TestRun } from '../../formats/test-run/test-run.js';
import type { Accel } from '../../host/accel.js';
import { assertRunsWith } from '../../host/required-accel.js';
import { searchProgram } from '../../images/programs.js';
import { servedInstance } from '../../instance/access.js';
import { callDaemon } from '../../instance/client.js';
import { inspectInstance } from '../../instance/inspect.js';
import { accessToL2, managementTargets } from '../../state/management-targets.js';
import type { InstancePaths } from '../../state/paths.js';
import { readRecord } from '../../state/record.js';
import type { Channel } from '../../verify/channels.js';
import { l1Ground, l2Ground, ownGround, type L2Ground } from '../../verify/ground.js';
import { selfTest, verify, type VerifyOptions } from '../../verify/run.js';
import { comparisonRows, conclusion, selfTestRows } from '../../verify/table.js';
import { failedTestRun, selfTestRun, verifyTestRun } from '../../verify/test-run.js';
import { annotateRun } from '../annotate.js';
import type { LoginFlags } from '../commands/login-options.js';
import type { CliContext } from '../context.js';
import { orSkip } from '../or-skip.js';
import { printJson, printLines, table } from '../output.js';
import { passwordOf, promptsOf } from './login.js';

const bytesPerMiB = 1024 * 1024;

export interface VerifyFlags extends LoginFlags {
  readonly selfTest: boolean;
  readonly active: boolean;
  readonly json: boolean;
  readonly tap: boolean;
  /** The file of the JUnit report. */
  readonly junit?: string | undefined;
  readonly require?: Accel | undefined;
  readonly orSkip: boolean;
}

/**
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_VM_UNKNOWN, E_USAGE, E_FILE (2); E_ACCEL, E_PACKAGE_MISSING (3);
 *   E_VERIFY and what else keeps it from being carried out (4); E_SKIPPED (77); the signal's reason
 */
export async function runVerify(
  context: CliContext,
  vmName: string | undefined,
  flags: VerifyFlags,
): Promise<void> {
  const startedAt = new Date();
  let run: TestRun;
  try {
    run = await carryOut(context, vmName, flags, startedAt);
  } catch (cause) {
    const error = orSkip(cause, flags.orSkip);
    // Whoever collects reports shall find this one too. The error is thrown in any case.
    const failed = failedTestRun(error, startedAt, (Date.now() - startedAt.getTime()) / 1000);
    await writeTests(context, flags, failed).catch(() => undefined);
    throw error;
  }
  await writeTests(context, flags, run);
}

/** Runs, prints the evidence, and returns it as tests. */
async function carryOut(
  context: CliContext,
  vmName: string | undefined,
  flags: VerifyFlags,
  startedAt: Date,
): Promise<TestRun> {
  const paths = await servedInstance(context.global.name, context.signal);
  const options = await prepare(context, paths, vmName, flags);
  const channels = channelsOf(options.ground);
  if (flags.selfTest) {
    const report = await selfTest(options);
    printSelfTest(context, report, flags);
    return selfTestRun(report, channels, startedAt);
  }
  const report = await verify(options);
  printReport(context, report, channels, flags);
  return verifyTestRun(report, channels, startedAt);
}

/** @throws VsbError E_FILE, E_NO_SPACE */
async function writeTests(context: CliContext, flags: VerifyFlags, run: TestRun): Promise<void> {
  if (flags.tap) context.stdout.write(toTap(run));
  const { junit: file } = flags;
  if (file === undefined) return;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, toJunit(run));
  } catch (error) {
    throw fileError('the report cannot be written', error);
  }
}

async function prepare(
  context: CliContext,
  paths: InstancePaths,
  vmName: string | undefined,
  flags: VerifyFlags,
): Promise<VerifyOptions> {
  const { signal } = context;
  const { require: required, active } = flags;
  const status = await inspectInstance(paths, signal);
  const { gateway, management } = status;
  if (!isUp(status.state) || gateway === undefined || management === undefined) {
    throw new VsbError('E_INSTANCE_NOT_RUNNING', `instance '${paths.name}' is ${status.state}`, {
      hint: 'start it with `vsbypass up`',
    });
  }
  assertRunsWith(required, status);
  const targets = await managementTargets(paths, management);
  accessToL2(targets);
  const record = await readRecord(paths);
  const { name: vm, uuid, hooked } = vmOf(status, vmName);
  if (record === undefined) throw new VsbError('E_VM_UNKNOWN', 'nothing is known of what L2 is');
  const { l2, vms } = record.config;
  const own = l2.disk !== undefined;
  const ground = own ? ownGround(l2.kind) : l2Ground(l2.kind);
  const config = vms.find((one) => one.name === vm);
  if (!own && config === undefined) {
    throw new VsbError('E_VM_UNKNOWN', `nothing is known of how '${vm}' was made`);
  }
  if (active && ground.attacks(vm).length === 0) {
    throw new VsbError('E_USAGE', 'no active attack is known that this L2 has the tools for', {
      hint: '`up --l2 kvm` has: the debug stub of its QEMU.',
    });
  }
  const started = performance.now();
  return {
    vm: { name: vm, uuid, memoryBytes: config && config.memoryMiB * bytesPerMiB },
    login: {
      user: flags.user,
      password: await passwordOf(context, vm, flags),
      prompts: promptsOf(flags),
    },
    active,
    ground,
    hooked: hooked ?? true,
    gateway: {
      host: gateway.host,
      port: gateway.port,
      hostKeyFingerprint: gateway.hostKeyFingerprint,
      privateKeyPem: (await readKey(gateway.clientKeyPath)).privatePem,
    },
    management: targets,
    program: await searchProgram(paths.cacheDir, signal),
    signal,
    setHook: async (on, limit) => {
      await callDaemon(paths.controlSocket, 'vm.hook', { vm, on }, { signal: limit });
    },
    seen: async (limit) => {
      const { vms } = await callDaemon(paths.controlSocket, 'counters', {}, { signal: limit });
      const own = vms.find(({ name }) => name === vm)?.counters;
      if (own === undefined) throw new VsbError('E_VM_GONE', `${vm} is not there any more`);
      const { stepped = 0, breakpoints = 0, rewritten = 0 } = own;
      return { stepped, breakpoints, rewritten };
    },
    progress: (text) => {
      context.doing(`verifying ${vm} (${text})`);
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

function printReport(
  context: CliContext,
  report: VerifyReport,
  channels: readonly Channel[],
  { json, tap }: VerifyFlags,
): void {
  if (json) printJson(context, report);
  else if (!tap) {
    const rows = table(comparisonRows(report, knownLimits(channels)));
    printLines(context, [...rows, '', ...conclusion(report)]);
  }
  const title = `vsbypass verify ${report.vm}: ${report.verdict}`;
  for (const reason of report.reasons) annotateRun(context, 'error', title, reason);
  if (report.verdict === 'leak') context.exitWith(ExitCode.leak);
  if (report.verdict === 'inconclusive') {
    context.exitWith(ExitCode.layer);
    const why = report.reasons.join('; ');
    context.stderr.write(`vsbypass: this run proves nothing: ${why} [E_VERIFY]\n`);
  }
}

function printSelfTest(
  context: CliContext,
  report: SelfTestReport,
  { json, tap }: VerifyFlags,
): void {
  if (json) printJson(context, report);
  else if (!tap) printLines(context, table(selfTestRows(report)));
  if (report.passed) return;
  context.exitWith(ExitCode.layer);
  const missed = report.missed.join(', ');
  const message = `the search does not find what is in: ${missed}`;
  annotateRun(context, 'error', `vsbypass verify --self-test ${report.vm}`, message);
  context.stderr.write(`vsbypass: ${message} [E_VERIFY]\n`);
}

/** All that is searched; where it is on that ground does not matter here. */
function channelsOf(ground: L2Ground): Channel[] {
  const subject = { vm: '', id: 0, qemuPid: 0, memoryBytes: 0, directory: '' };
  return [...ground.channels(subject), ...l1Ground.channels(subject)];
}

/** Channels that are reported and not judged. */
function knownLimits(channels: readonly Channel[]): Set<string> {
  return new Set(
    channels.filter((one) => one.knownLimit === true).map((one) => `${one.layer} ${one.name}`),
  );
}
