/** A series of boots for people and for programs. */
import { table } from '../cli/output.js';
import type { BootsOptions } from './options.js';
import { distributions, reached, type Boot } from './series.js';

type About = Pick<BootsOptions, 'count' | 'l2' | 'loops'>;

export function seriesLines(about: About, boots: readonly Boot[]): string[] {
  const rows = distributions(boots).map(({ phase, count, ...times }) => [
    phase,
    String(count),
    ...[times.min, times.median, times.p95, times.max].map((ms) =>
      (ms / 1000).toFixed(1).padStart(6),
    ),
  ]);
  const failures = boots.flatMap(({ number, failure }) =>
    failure === undefined ? [] : [`boot ${number}: ${failure.message}`, `  ${failure.evidence}`],
  );
  return [
    ...(rows.length === 0
      ? []
      : [...table([['PHASE', 'BOOTS', ' MIN/s', ' MEDIAN', '   P95', '   MAX'], ...rows]), '']),
    ...failures,
    `${reached(boots)} of ${boots.length} boots reached the login (L2 = ${about.l2}, ${loadText(about.loops)})`,
    ...(boots.length < about.count ? [`ended before the other ${about.count - boots.length}`] : []),
  ];
}

export function seriesDocument(about: About, boots: readonly Boot[]): object {
  return {
    schemaVersion: 1,
    l2: about.l2,
    loops: about.loops,
    asked: about.count,
    booted: boots.length,
    reached: reached(boots),
    phases: distributions(boots),
    boots,
  };
}

function loadText(loops: number): string {
  if (loops === 0) return 'no load';
  return `${loops} busy loop${loops === 1 ? '' : 's'} on each core`;
}
