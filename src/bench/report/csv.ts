/** All raw samples as CSV (RFC 4180), one a line, and those turns that do not count. */
import type { Results } from '../results.js';

const header = 'measure,configuration,end,state,unit,seconds,value,valid,reason';

export function toCsv(results: Results): string {
  const lines = results.series.flatMap(
    ({ measure, configuration, end, state, unit, samples, failures }) => {
      const about = [measure, configuration, end, state, unit];
      return [
        ...samples.map(({ at, value }) => [...about, at, value, 'yes', '']),
        ...failures.map(({ at, reason }) => [...about, at, '', 'no', reason]),
      ];
    },
  );
  return [header, ...lines.map((line) => line.map(field).join(','))]
    .map((line) => `${line}\r\n`)
    .join('');
}

function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
