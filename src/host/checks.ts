/** Everything `up` and `doctor` look at on this host, in one order. */
import { VsbError, messageOf, type ErrorCode } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { Check } from '../contract/check.js';
import { asksKvm, decideAccel, type Accel, type AccelDecision } from './accel.js';
import { probeKvm } from './kvm.js';
import { assertQemuVersion, probeQemu, type ProbeOptions } from './qemu.js';
import {
  bochsBuildPrograms,
  buildPrograms,
  checkMemory,
  checkPrograms,
  checkSpace,
  ownSystemPrograms,
  runtimePrograms,
} from './requirements.js';

export interface HostReport {
  readonly checks: readonly Check[];
  /** Undefined when QEMU could not be asked or `kvm` was asked for in vain. */
  readonly accel?: AccelDecision;
}

export interface HostCheckRequest extends ProbeOptions {
  readonly config: Config;
  readonly cacheDir: string;
  readonly stateDir: string;
  /** Memory that is taken now and will be free by then. */
  readonly freedMiB?: number;
  /** Whether images will have to be built. */
  willBuild(accel: Accel): Promise<boolean>;
}

/** Looks at everything; a failed check is data, not an exception. */
export async function inspectHost(request: HostCheckRequest): Promise<HostReport> {
  const own = request.config.l2.disk === undefined ? [] : ownSystemPrograms;
  const checks: Check[] = await checkPrograms([...runtimePrograms, ...own], 'fail');
  if (
    checks.every((check) => check.id !== 'program:qemu-system-x86_64' || check.result === 'pass')
  ) {
    checks.push(await checkQemuVersion(request));
  }
  const { check: accelCheck, decision } = await checkAccel(request);
  checks.push(accelCheck);
  if (decision !== undefined) {
    const { summary } = decision.cpu;
    checks.push({ id: 'cpu-model', title: "CPU of L0's machine", result: 'pass', found: summary });
  }
  const willBuild = decision !== undefined && (await request.willBuild(decision.accel));
  const programs =
    decision?.accel === 'bochs' ? [...buildPrograms, ...bochsBuildPrograms] : buildPrograms;
  checks.push(...(await checkPrograms(programs, willBuild ? 'fail' : 'warn')));
  checks.push(await checkMemory(request.config, request.freedMiB));
  checks.push(await checkSpace(request.stateDir, 'instance', request.config));
  if (willBuild) checks.push(await checkSpace(request.cacheDir, 'build'));
  return { checks, ...(decision === undefined ? {} : { accel: decision }) };
}

async function checkQemuVersion(options: ProbeOptions): Promise<Check> {
  const common = { id: 'qemu-version', title: 'QEMU 7.2 or newer' };
  try {
    const version = await probeQemu(options);
    const found = `QEMU ${version.major}.${version.minor}.${version.micro}`;
    assertQemuVersion(version);
    return { ...common, result: 'pass', found };
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    return { ...common, result: 'fail', found: messageOf(error), remedy: remedyOf(error) };
  }
}

async function checkAccel(
  request: HostCheckRequest,
): Promise<{ check: Check; decision?: AccelDecision }> {
  const common = { id: 'accel', title: `accelerator (${request.config.accel})` };
  try {
    const kvm = asksKvm(request.config) ? await probeKvm(request) : undefined;
    const decision = decideAccel(request.config, kvm);
    return {
      check: { ...common, result: 'pass', found: `${decision.accel}: ${decision.why}` },
      decision,
    };
  } catch (error) {
    if (!(error instanceof VsbError) || request.signal?.aborted === true) throw error;
    return { check: { ...common, result: 'fail', found: error.message, remedy: remedyOf(error) } };
  }
}

function remedyOf(error: unknown): string {
  return (error instanceof VsbError ? error.hint : undefined) ?? 'See `vsbypass doctor`.';
}

const codesOfChecks: readonly [prefix: string, code: ErrorCode][] = [
  ['program:qemu', 'E_QEMU_MISSING'],
  ['program:', 'E_PACKAGE_MISSING'],
  ['qemu-version', 'E_QEMU_TOO_OLD'],
  ['accel', 'E_ACCEL'],
  ['memory', 'E_NO_MEMORY'],
  ['space:', 'E_NO_SPACE'],
];

/**
 * Turns the failed checks that stop `up` into one error, which names all of them.
 *
 * @throws VsbError with the code of the first failed check (exit 3)
 */
export function assertHost(report: HostReport): AccelDecision {
  const failed = report.checks.filter((check) => check.result === 'fail');
  const first = failed[0];
  if (first !== undefined) {
    const code = codesOfChecks.find(([prefix]) => first.id.startsWith(prefix))?.[1] ?? 'E_HOST';
    const message = failed.map((check) => `${check.title}: ${check.found}`).join('; ');
    const hints = [
      ...new Set(failed.map((check) => check.remedy).filter((remedy) => remedy !== undefined)),
    ];
    throw new VsbError(code, message, {
      layer: 'host',
      hint: hints.join(' '),
      details: { checks: failed },
    });
  }
  if (report.accel === undefined) throw new TypeError('no accelerator was decided on');
  return report.accel;
}
