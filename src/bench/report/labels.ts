/** How quantities and figures are written for people. */
import type { Estimate } from '../statistics/summary.js';
import type { MeasureName } from '../measures/cell.js';
import type { EndKind } from '../ends/end.js';

export const measureTitles: Readonly<Record<MeasureName, string>> = {
  response: 'Response time, key to echo',
  throughput: 'Throughput',
  anatomy: 'Anatomy',
  'side-costs': 'Side costs',
  scale: 'Scale',
  gateway: 'SSH gateway',
};

const consoles = {
  idle: 'nobody at the console',
  attached: 'somebody at the console',
  typed: 'somebody typing',
  flooded: 'the console flooded',
} as const;
const works = Object.fromEntries(
  Object.entries(consoles).flatMap(([key, text]) => [
    [`cpu, ${key}`, `one round of a CPU-bound loop in a neighbour, ${text}`],
    [`io, ${key}`, `one read of the clock chip in a neighbour, ${text}`],
  ]),
);

const stateTitles: Readonly<Record<string, string>> = {
  idle: 'idle user VM',
  loaded: 'loaded user VM',
  silent: 'first keys after a silence',
  cat: 'cat of a large text file',
  printk: 'flood of kernel messages',
  paste: 'paste into the user VM',
  access: 'one access of the user VM to its serial port',
  flood: 'output over loopback SSH',
  key: 'a key there and back',
  ...works,
};

export function stateTitle(state: string): string {
  return stateTitles[state] ?? state;
}

export const endTitles: Readonly<Record<EndKind, string>> = {
  stream: "at the console's byte stream",
  ssh: 'end to end through SSH',
};

/** Three digits that count, as long as there is a point among them. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

/** `4.31 [4.12, 4.60]`. */
export function estimate({ value, low, high }: Estimate): string {
  return `${figure(value)} [${figure(low)}, ${figure(high)}]`;
}
