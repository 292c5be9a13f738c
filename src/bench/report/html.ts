/** The report of a run: one HTML file with everything in it, to be read on a screen and in print. */
import type { MeasureName } from '../measures/cell.js';
import type { Results, Series } from '../results.js';
import { summarize } from '../statistics/summary.js';
import { boxPlot, escape, type Figure } from './box-plot.js';
import { endTitles, estimate, figure, measureTitles, stateTitle } from './labels.js';
import { measuredIn, quantitiesOf, remarks } from './table.js';

const style = `
:root { color-scheme: light }
body { font: 15px/1.45 Georgia, 'DejaVu Serif', serif; color: #111; max-width: 46em; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em } p, li { text-align: left }
figure { margin: 1.2em 0; break-inside: avoid } figcaption { font-size: 0.9em; text-align: center }
table { border-collapse: collapse; font-size: 0.85em; width: 100%; break-inside: avoid }
th, td { padding: 0.2em 0.5em; text-align: right; border-bottom: 1px solid #bbb } th { border-bottom: 1.5px solid #111 }
th:first-child, td:first-child, .text td { text-align: left } tbody tr:last-child td { border-bottom: 1.5px solid #111 }
svg { width: 100%; font-family: 'DejaVu Sans', Arial, sans-serif; font-size: 11px }
svg text { fill: #111 } .title { font-size: 13px; text-anchor: middle; font-weight: bold }
.tick { text-anchor: end } .name, .group { text-anchor: middle } .value { text-anchor: middle; font-size: 9.5px }
.grid { stroke: #ddd } .axis { stroke: #111 } .line { stroke: #111; stroke-width: 1 }
.median { stroke: #111; stroke-width: 2.4 } .point { fill: none; stroke: #111; stroke-width: 0.7 }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } }
`;

export function toHtml(results: Results): string {
  const { environment, configurations } = results;
  const body = [
    '<h1>vsbypass bench</h1>',
    about(results),
    ...figuresOf(results).map(({ figure: drawn, caption, rows }) => {
      const plot = boxPlot(drawn);
      return `<figure>${plot}<figcaption>${escape(caption)}</figcaption></figure>${tableOf(rows)}`;
    }),
    anatomyOf(results),
    '<h2>Configurations</h2>',
    tableOf(
      [
        ['configuration', 'what it is', 'measured'],
        ...configurations.map(({ id, about: text, notAvailable }) => [
          ...[id, text, notAvailable === undefined ? 'yes' : `no: ${notAvailable}`],
        ]),
      ],
      'text',
    ),
    '<h2>How to read this</h2>',
    `<p>Configurations took turns in random order (seed ${environment.seed}). Boxes: quartiles and median, whiskers to
the last sample within 1.5 interquartile ranges, circles beyond; the number above is the median. Intervals are of 95 %,
by bootstrap. Byte stream: the first place at which the console's bytes can be had; for L2's own consoles a program at
the socket of QEMU's serial port, with L2's clock, for the shadow console the daemon at L0. Through SSH: to L2 and the same
socket, or to the gateway.</p>`,
    '<h2>Remarks</h2>',
    `<ul>${remarks(results)
      .map((remark) => `<li>${escape(remark)}</li>`)
      .join('')}</ul>`,
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>vsbypass bench, ${escape(environment.date)}</title>
<meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body>
${body.join('\n')}
</body></html>
`;
}

function about({ environment, complete, ended, seconds }: Results): string {
  const { accel, cpu, cpus, memoryMiB, kernel, qemu, node, version, load, images } = environment;
  const whole = complete ? 'complete' : `not complete${ended === undefined ? '' : ` (${ended})`}`;
  return tableOf(
    [
      ['run', ''],
      ['date', `${environment.date}, ${Math.round(seconds)} s, ${whole}`],
      ['machine', `${cpu}, ${cpus} CPUs, ${memoryMiB} MiB, Linux ${kernel}`],
      [
        'load average',
        load.map((one) => one.toFixed(2)).join(' at the beginning, ') + ' at the end',
      ],
      ['accelerator', `${accel}: ${environment.accelWhy}`],
      ['versions', `vsbypass ${version}, QEMU ${qemu}, Node ${node}`],
      ['images', Object.values(images).join(', ')],
    ],
    'text',
  );
}

/** One figure for each measure and state (and kind of L2): a group for each end, a box for each configuration. */
function figuresOf(results: Results): { figure: Figure; caption: string; rows: string[][] }[] {
  const quantities = quantitiesOf(results);
  const kinds = [...new Set(measuredIn(results).map(({ l2 }) => l2))];
  const names = [...new Set(quantities.map(({ measure, state }) => `${measure}\0${state}`))];
  let number = 0;
  return kinds.flatMap((l2) => {
    const columns = measuredIn(results).filter((configuration) => configuration.l2 === l2);
    return names.flatMap((name) => {
      const [measure = '', state = ''] = name.split('\0');
      const own = quantities.filter((one) => one.measure === measure && one.state === state);
      const title = measureTitles[measure as MeasureName];
      const samplesOf = (series: Series | undefined): number[] =>
        series?.samples.map(({ value }) => value) ?? [];
      const groups = own.map(({ end, series }) => ({
        label: endTitles[end],
        boxes: columns.map(({ id }, place) => ({
          style: place,
          samples: samplesOf(series.get(id)),
        })),
      }));
      if (groups.every(({ boxes }) => boxes.every(({ samples }) => samples.length === 0)))
        return [];
      number++;
      const unit = own[0]?.unit ?? '';
      const isTime = own[0]?.better === 'lower';
      return [
        {
          figure: {
            title: `${title}: ${stateTitle(state)}`,
            axis: `${title.split(',')[0] ?? title} (${unit})`,
            legend: columns.map((configuration) => configuration.title),
            groups,
          },
          caption: `Figure ${number}. ${title}, ${stateTitle(state)}, L2 = ${l2 === 'kvm' ? 'KVM' : 'Xen'}.`,
          rows: [
            ['', 'n', `median (${unit})`, ...(isTime ? ['p95', 'p99'] : ['least', 'most']), 'mean'],
            ...own.flatMap(({ end, series }) =>
              columns.map((configuration) =>
                rowOf(
                  `${configuration.title}, ${end}`,
                  samplesOf(series.get(configuration.id)),
                  isTime,
                ),
              ),
            ),
          ],
        },
      ];
    });
  });
}

/** A time's tail is its upper end; of a rate both ends are told. */
function rowOf(label: string, samples: readonly number[], isTime: boolean): string[] {
  const summary = summarize(samples);
  if (summary === undefined) return [label, '0', '-', '-', '-', '-'];
  const { count, median, p95, p99, mean, minimum, maximum } = summary;
  const ends = isTime ? [p95, p99].map(estimate) : [minimum, maximum].map(figure);
  return [label, String(count), estimate(median), ...ends, figure(mean)];
}

function anatomyOf({ anatomy }: Results): string {
  if (anatomy.length === 0) return '';
  return [
    '<h2>Anatomy</h2>',
    ...anatomy.map(({ configuration, per, units, events }) => {
      const rows = events.map(({ layer, event, count }) => [
        ...[`${layer}: ${event}`, String(count), figure(count / units)],
      ]);
      const title = `${configuration}, ${units} ${per}s`;
      return tableOf([[title, 'events', `for one ${per}`], ...rows]);
    }),
  ].join('\n');
}

function tableOf(rows: readonly (readonly string[])[], kind = 'figures'): string {
  const [header = [], ...body] = rows;
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<table class="${kind}"><thead>${line(header, 'th')}</thead><tbody>${body
    .map((row) => line(row, 'td'))
    .join('\n')}</tbody></table>`;
}
