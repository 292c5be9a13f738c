/** Carries `vsbypass bench` out: host, images, the run, its documents, the comparison. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { VsbError } from '../../base/errors.js';
import {
  assertComparable,
  compare,
  parseCondition,
  readResults,
  type Comparison,
} from '../../bench/compare.js';
import { configurations } from '../../bench/configurations/index.js';
import { describeEnvironment } from '../../bench/environment.js';
import type { BenchEvent } from '../../bench/events.js';
import { isMeasureName, measureNames, type MeasureName } from '../../bench/measures/cell.js';
import type { Mode } from '../../bench/plan.js';
import { toCsv } from '../../bench/report/csv.js';
import { toHtml } from '../../bench/report/html.js';
import { comparisonRows, remarks, resultRows } from '../../bench/report/table.js';
import type { Results } from '../../bench/results.js';
import { kindsFor, runBench } from '../../bench/run.js';
import type { BenchImages } from '../../bench/stacks/stack.js';
import { loadConfig } from '../../config/load.js';
import { l2Kinds, type L2Kind } from '../../config/schema.js';
import { activityAfter } from '../../contract/activity.js';
import type { Accel } from '../../host/accel.js';
import { assertHost, inspectHost } from '../../host/checks.js';
import { withRequiredAccel } from '../../host/required-accel.js';
import { buildImages, buildL2Image } from '../../images/build.js';
import { benchPrograms } from '../../images/programs.js';
import { instancePaths } from '../../state/paths.js';
import { findRoots } from '../../state/roots.js';
import type { CliContext } from '../context.js';
import { printJson, printLines, table } from '../output.js';
import { describeAccel } from '../show/accel.js';
import { createBenchReporter } from '../show/bench.js';

export interface BenchFlags {
  readonly quick: boolean;
  readonly full: boolean;
  readonly only: readonly string[];
  readonly samples?: number | undefined;
  readonly seed?: number | undefined;
  readonly output?: string | undefined;
  readonly compare?: string | undefined;
  readonly failIf: readonly string[];
  readonly require?: Accel | undefined;
  readonly json: boolean;
}

/**
 * @throws VsbError E_USAGE (2); what the host lacks (3); E_REGRESSION (6); the signal's reason, after what was measured
 *   is kept
 */
export async function bench(context: CliContext, flags: BenchFlags): Promise<void> {
  const { signal } = context;
  const mode = modeOf(flags);
  const conditions = flags.failIf.map(parseCondition);
  if (conditions.length > 0 && flags.compare === undefined) {
    throw new VsbError('E_USAGE', '--fail-if needs --compare');
  }
  const earlier = flags.compare === undefined ? undefined : await readResults(flags.compare);
  const { measures, leftOut } = choose(flags.only, mode);
  const kinds = kindsFor({ configurations, leftOut, measures });
  const reporter = await createBenchReporter(context, context.global.quiet);
  try {
    const note = (text: string): void => {
      context.doing(`preparing (${text})`);
      reporter.note(text);
    };
    const inputs = await prepare(context, flags, kinds, note);
    if (earlier !== undefined) assertComparable(earlier.environment.accel, inputs.lab.accel.accel);
    const folder = resolve(flags.output ?? `vsbypass-bench-${fileTime(inputs.environment.date)}`);
    await mkdir(folder, { recursive: true });
    const results = await runBench({
      ...{ mode, measures, configurations, leftOut, samples: flags.samples, signal },
      environment: inputs.environment,
      lab: inputs.lab,
      emit: (event) => {
        const doing = activityOf(event);
        if (doing !== undefined) context.doing(doing);
        reporter.report(event);
      },
      save: async (some) => await save(folder, some),
    });
    reporter.stop();
    context.stderr.write(`results are in ${folder}\n`);
    if (flags.json) printJson(context, results);
    else printLines(context, [...table(resultRows(results, false)), '', ...remarks(results)]);
    signal.throwIfAborted();
    if (earlier !== undefined) judge(context, compare(earlier, results, conditions), flags.json);
  } finally {
    reporter.stop();
  }
}

/** What is being done now; undefined when the event does not tell. */
function activityOf(event: BenchEvent): string | undefined {
  if (event.type === 'turn') return `measuring ${event.what}`;
  return event.type === 'boot' ? activityAfter(event.event) : undefined;
}

/** @throws VsbError E_REGRESSION */
function judge(context: CliContext, compared: readonly Comparison[], json: boolean): void {
  const failed = compared.filter((one) => one.failed);
  if (!json) printLines(context, ['', ...table(comparisonRows(compared))]);
  if (failed.length === 0) return;
  const what = failed.map(({ quantity, statistic }) => `${statistic} of ${quantity}`).join('; ');
  throw new VsbError('E_REGRESSION', `worse than --fail-if allows: ${what}`, {
    details: { failed },
  });
}

function modeOf({ quick, full }: BenchFlags): Mode {
  if (quick && full) throw new VsbError('E_USAGE', '--quick and --full exclude each other');
  return quick ? 'quick' : full ? 'full' : 'normal';
}

/**
 * What each mode leaves out unless `--only` names it. In five minutes there is one turn for each cell; those of
 * the side costs are the most, and need many. To count exits takes two minutes. Scale boots nine user VMs.
 */
const leftOutOf: Readonly<Record<Mode, readonly MeasureName[]>> = {
  quick: ['anatomy', 'side-costs', 'scale'],
  normal: ['scale'],
  full: [],
};

function measuresOf(mode: Mode): MeasureName[] {
  return measureNames.filter((name) => !leftOutOf[mode].includes(name));
}

function choose(
  only: readonly string[],
  mode: Mode,
): {
  readonly measures: ReadonlySet<MeasureName>;
  readonly leftOut: ReadonlyMap<string, string>;
} {
  const measures = only.filter(isMeasureName);
  const others = only.filter((word) => !isMeasureName(word));
  const known = [...l2Kinds, ...configurations.map(({ id }) => id)];
  const unknown = others.find((word) => !known.includes(word));
  if (unknown !== undefined) {
    const hint = `Known: ${[...measureNames, ...known].join(', ')}`;
    throw new VsbError('E_USAGE', `--only: there is no '${unknown}'`, { hint });
  }
  // Five minutes are not enough to boot the machines of both kinds and measure.
  const wanted = others.length > 0 ? others : mode === 'quick' ? ['kvm'] : [...l2Kinds];
  const reason = others.length > 0 ? '--only' : '--quick measures one kind of L2; --only xen';
  return {
    measures: new Set(measures.length > 0 ? measures : measuresOf(mode)),
    leftOut: new Map(
      configurations
        .filter(({ id, l2 }) => !wanted.includes(id) && !wanted.includes(l2))
        .map(({ id }) => [id, `left out: ${reason}`]),
    ),
  };
}

async function prepare(
  context: CliContext,
  flags: BenchFlags,
  kinds: readonly L2Kind[],
  note: (text: string) => void,
) {
  const { signal } = context;
  const roots = findRoots();
  const name = `${context.global.name}-bench`;
  const paths = instancePaths(name, roots);
  const any = await loadConfig({ directory: paths.stateDir, vmCount: 2 });
  const config = withRequiredAccel(any, flags.require);
  const { cache: cacheDir } = roots;
  const host = await inspectHost({
    ...{
      config,
      cacheDir,
      stateDir: paths.stateDir,
      willBuild: () => Promise.resolve(false),
      signal,
    },
  });
  const accel = assertHost(host);
  if (accel.accel === 'bochs') {
    throw new VsbError('E_ACCEL', 'bench does not run on Bochs, which has no traditional system', {
      hint: 'Set `accel` to tcg or kvm, or leave it.',
    });
  }
  note(describeAccel(accel));
  const build = { cacheDir, signal, onProgress: note };
  const images: Partial<Record<L2Kind, BenchImages>> = {};
  for (const kind of kinds) {
    images[kind] = {
      testbed: await buildImages(kind, build),
      host: await buildL2Image(kind, build),
    };
  }
  const programs = await benchPrograms(cacheDir, signal);
  const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 31);
  const all = Object.fromEntries(
    Object.entries(images).flatMap(([kind, { testbed, host }]) => [
      ['xen', testbed.xen],
      [`${kind}/l1`, testbed.l1],
      [`${kind}/l2`, host],
    ]),
  );
  return {
    environment: await describeEnvironment({ accel, images: all, seed, signal }),
    lab: { name, roots, accel, images, programs },
  };
}

async function save(folder: string, results: Results): Promise<void> {
  await writeFile(join(folder, 'results.json'), `${JSON.stringify(results, undefined, 2)}\n`);
  await writeFile(join(folder, 'samples.csv'), toCsv(results));
  await writeFile(join(folder, 'report.html'), toHtml(results));
}

/** An ISO 8601 time as part of a file name. */
function fileTime(date: string): string {
  return date.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
}
