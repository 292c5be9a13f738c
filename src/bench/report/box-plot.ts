/**
 * Box plots as SVG, in the style of a figure in a paper: black lines, light patterns that a black-and-white
 * print and every kind of colour vision keep apart, whiskers to 1.5 interquartile ranges (Tukey 1977),
 * points beyond.
 */
import { scaleLinear, scaleLog } from 'd3-scale';
import { quantileSorted } from 'simple-statistics';

import { sorted } from '../statistics/summary.js';
import { figure } from './labels.js';

export interface BoxGroup {
  /** Below the axis. */
  readonly label: string;
  readonly boxes: readonly Box[];
}

export interface Box {
  /** Which pattern it has, and what the legend says. */
  readonly style: number;
  readonly samples: readonly number[];
}

export interface Figure {
  readonly title: string;
  /** With its unit. */
  readonly axis: string;
  readonly legend: readonly string[];
  readonly groups: readonly BoxGroup[];
}

/** Okabe and Ito's colours, lightened, each with a pattern of its own. */
const fills = [
  { color: '#d9d9d9', pattern: '' },
  { color: '#f5dcb5', pattern: 'M0 6 L6 0' },
  { color: '#bfe0f2', pattern: 'M0 3 H6' },
  { color: '#bfe3d6', pattern: 'M3 0 V6' },
  { color: '#f2cfe0', pattern: 'M0 0 L6 6 M0 6 L6 0' },
] as const;

const size = { width: 640, height: 330 } as const;
const margin = { top: 34, right: 12, bottom: 44, left: 62 } as const;
const boxWidth = 34;
const boxGap = 14;
/** From this ratio of the largest to the smallest on the axis is logarithmic. */
const logarithmicFrom = 12;

export function boxPlot({ title, axis, legend, groups }: Figure): string {
  const values = groups.flatMap(({ boxes }) => boxes.flatMap(({ samples }) => samples));
  if (values.length === 0) return '';
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const logarithmic = low > 0 && high / low >= logarithmicFrom;
  const range = [size.height - margin.bottom, margin.top] as [number, number];
  const scale = logarithmic
    ? scaleLog([low * 0.8, high * 1.25], range)
    : scaleLinear([Math.min(0, low), high * 1.08], range).nice();
  const ticks = logarithmic ? decades(low, high) : scale.ticks(6);
  const y = (value: number): string => scale(value).toFixed(1);
  const right = size.width - margin.right;
  const parts = [
    `<text x="${size.width / 2}" y="16" class="title">${escape(title)}</text>`,
    ...ticks.map(
      (tick) =>
        `<line x1="${margin.left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}" class="grid"/>` +
        `<text x="${margin.left - 6}" y="${y(tick)}" dy="0.35em" class="tick">${plain(tick)}</text>`,
    ),
    `<line x1="${margin.left}" x2="${margin.left}" y1="${range[1]}" y2="${range[0]}" class="axis"/>`,
    `<line x1="${margin.left}" x2="${right}" y1="${range[0]}" y2="${range[0]}" class="axis"/>`,
    `<text transform="translate(14 ${(range[0] + range[1]) / 2}) rotate(-90)" class="name">${escape(axis)}` +
      `${logarithmic ? ', logarithmic' : ''}</text>`,
    ...drawGroups(groups, y, range[0]),
    ...drawLegend(legend),
  ];
  return (
    `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escape(title)}">` +
    `<defs>${fills.map(patternOf).join('')}</defs>${parts.join('')}</svg>`
  );
}

function drawGroups(
  groups: readonly BoxGroup[],
  y: (value: number) => string,
  bottom: number,
): string[] {
  const wide = (size.width - margin.left - margin.right) / groups.length;
  return groups.flatMap(({ label, boxes }, index) => {
    const middle = margin.left + wide * (index + 0.5);
    const step = Math.min(boxWidth + boxGap, wide / Math.max(boxes.length, 1));
    const first = middle - (step * (boxes.length - 1)) / 2;
    return [
      ...boxes.map((box, place) => drawBox(box, first + place * step, step * 0.7, y)),
      `<text x="${middle}" y="${bottom + 16}" class="group">${escape(label)}</text>`,
    ];
  });
}

function drawBox(
  { style, samples }: Box,
  x: number,
  width: number,
  y: (value: number) => string,
): string {
  const values = sorted(samples);
  if (values.length === 0) return '';
  const at = (quantile: number): number => quantileSorted(values, quantile);
  const [q1, median, q3] = [at(0.25), at(0.5), at(0.75)];
  const reach = 1.5 * (q3 - q1);
  const inside = values.filter((value) => value >= q1 - reach && value <= q3 + reach);
  const [low, high] = [inside[0] ?? q1, inside.at(-1) ?? q3];
  const outside = values.filter((value) => value < low || value > high);
  const [left, right] = [x - width / 2, x + width / 2];
  const vertical = (from: number, to: number): string =>
    `<line x1="${x}" x2="${x}" y1="${y(from)}" y2="${y(to)}" class="line"/>`;
  const horizontal = (value: number, share: number, kind: string): string =>
    `<line x1="${x - (width * share) / 2}" x2="${x + (width * share) / 2}" y1="${y(value)}" y2="${y(value)}" class="${kind}"/>`;
  return [
    vertical(q3, high),
    vertical(low, q1),
    horizontal(high, 0.5, 'line'),
    horizontal(low, 0.5, 'line'),
    `<rect x="${left}" width="${right - left}" y="${y(q3)}" height="${Math.max(0, Number(y(q1)) - Number(y(q3))).toFixed(1)}"` +
      ` fill="url(#fill${style % fills.length})" class="line"/>`,
    horizontal(median, 1, 'median'),
    ...outside.map((value) => `<circle cx="${x}" cy="${y(value)}" r="1.6" class="point"/>`),
    `<text x="${x}" y="${Number(y(values.at(-1) ?? high)) - 5}" class="value">${figure(median)}</text>`,
  ].join('');
}

function drawLegend(legend: readonly string[]): string[] {
  const widths = legend.map((text) => 36 + text.length * 6.4);
  const all = widths.reduce((sum, width) => sum + width, 0);
  let x = (size.width + margin.left - margin.right - all) / 2;
  return legend.map((text, style) => {
    const at = x;
    x += widths[style] ?? 0;
    const y = size.height - 13;
    return (
      `<rect x="${at}" y="${y}" width="14" height="9" fill="url(#fill${style % fills.length})" class="line"/>` +
      `<text x="${at + 18}" y="${y + 8}" class="legend">${escape(text)}</text>`
    );
  });
}

function patternOf({ color, pattern }: (typeof fills)[number], style: number): string {
  return (
    `<pattern id="fill${style}" width="6" height="6" patternUnits="userSpaceOnUse">` +
    `<rect width="6" height="6" fill="${color}"/><path d="${pattern}" stroke="#222" stroke-width="0.8" fill="none"/></pattern>`
  );
}

/** 1, 2, 5 of each decade that is needed. */
function decades(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low * 0.8));
  const last = Math.ceil(Math.log10(high * 1.25));
  const steps = last - first > 3 ? [1, 3] : [1, 2, 5];
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
    .flatMap((decade) => steps.map((step) => step * decade))
    .filter((tick) => tick >= low * 0.8 && tick <= high * 1.25);
}

/** A tick without superfluous digits. */
function plain(value: number): string {
  return String(Number(value.toPrecision(6)));
}

export function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
