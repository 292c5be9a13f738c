/** Throughput: a large text out, a flood of kernel messages out, a paste in; what came must be what was sent. */
import { createHash } from 'node:crypto';

import type { Configuration } from '../configurations/configuration.js';
import { expect, pause, send, type End, type Step, type Timing } from '../ends/end.js';
import { VoidRun, type Cell } from './cell.js';
import { answerMs, newMark, run, toPrompt } from './guest.js';
import { line, lineBytes, text, textCommand } from './text.js';

/** `cat` of a file; `printk`: as many messages of the kernel; `paste`: into the user VM. */
export type Flow = 'cat' | 'printk' | 'paste';

export interface ThroughputOptions {
  readonly configuration: Configuration;
  readonly end: End;
  readonly flow: Flow;
  readonly wanted: number;
  /** Runs of one turn. */
  readonly runs: number;
  /** How long a run should take, milliseconds; its size follows from the runs before. */
  readonly targetMs: number;
}

/** Lines of a first run, which finds the size of the others; and limits of those. */
const firstLines = 16;
const fewestLines = 16;
const mostLines: Readonly<Record<Flow, number>> = { cat: 16_384, printk: 4096, paste: 256 };
/** How much larger a run may be than the one before. */
const growth = 24;
/** A run may take so many times what it should. */
const patience = 20;
const file = '/tmp/text';

export function throughputCell(options: ThroughputOptions): Cell {
  const { configuration, end, flow, wanted, runs, targetMs } = options;
  let lines = firstLines;
  /** What comes first takes its time, too: a short run would look slow. */
  let isLongEnough = false;
  return {
    measure: 'throughput',
    configuration: configuration.id,
    end: end.kind,
    state: flow,
    ...{ unit: 'characters/s', better: 'higher', wanted, perTurn: runs },
    guessMs: runs * targetMs + 2500,
    turn: async (signal) => {
      const limitMs = answerMs + patience * targetMs;
      const measure = async (times: number): Promise<number[]> => {
        const size = lines;
        const rates = await flows[flow](end, { lines: size, times, limitMs }, signal);
        const rate = Math.min(...rates);
        const fitting = Math.round((rate * targetMs) / 1000 / lineBytes);
        // A rate that was mistaken must not make the next run endless.
        const most = Math.min(mostLines[flow], size * growth);
        lines = Math.min(Math.max(fitting, fewestLines), most);
        isLongEnough ||= ((size * lineBytes) / rate) * 1000 >= targetMs / 2 || lines <= size;
        return rates;
      };
      if (isLongEnough) return await measure(runs);
      let found = await measure(1);
      while (!isLongEnough) found = await measure(1);
      return runs === 1 ? found : [...found, ...(await measure(runs - 1))];
    },
  };
}

interface Runs {
  /** Of each run. */
  readonly lines: number;
  readonly times: number;
  readonly limitMs: number;
}

/** @returns the rate of each run, characters/s */
type RatesOf = (end: End, runs: Runs, signal: AbortSignal) => Promise<number[]>;

const flows: Readonly<Record<Flow, RatesOf>> = { cat, printk, paste };

/** From the end of the first line to the end of the last one. */
async function cat(end: End, runs: Runs, signal: AbortSignal): Promise<number[]> {
  const one = (): Step[] => [send(`cat ${file}\r`), ...flood(runs), ...run(':')];
  const played = await play(end, withFile(runs), one, runs, signal);
  return played.map(([, first, all]) => {
    check(textOf(all), restOf(runs.lines));
    return rateOf(first, all);
  });
}

/** The same by messages of the kernel, which puts a time before each. */
async function printk(end: End, runs: Runs, signal: AbortSignal): Promise<number[]> {
  const one = (): Step[] => {
    const go = newMark('go');
    return [
      // Pauses: the terminal's own output and the kernel's would be mixed.
      send(
        `echo on >/proc/sys/kernel/printk_devkmsg; dmesg -n 8; ${go.command}; sleep 1; ` +
          `while read -r l; do echo "<3>$l" >&3; done <${file} 3>/dev/kmsg; sleep 1; dmesg -n 4\r`,
      ),
      expect(go.text, answerMs),
      ...flood(runs),
      pause(1500),
      ...run(':'),
    ];
  };
  const played = await play(end, withFile(runs), one, runs, signal);
  return played.map(([, , first, all]) => {
    const came = textOf(all).replaceAll('\r', '');
    check(came.replace(/^\[ *\d+\.\d+\] /gm, ''), restOf(runs.lines));
    return rateOf(first, all);
  });
}

/** From the first character that is sent to the word of the user VM that it has read all. */
async function paste(end: End, runs: Runs, signal: AbortSignal): Promise<number[]> {
  const sent = text(runs.lines);
  const one = (): Step[] => {
    const [go, all, sum] = [newMark('go'), newMark('all'), newMark('sum')];
    return [
      send(`stty -echo; ${go.command}; cat >/tmp/in; ${all.command}\r`),
      expect(go.text, answerMs),
      pause(200),
      send(`${sent}\x04`),
      expect(all.text, runs.limitMs),
      send(`stty echo; sha256sum </tmp/in; ${sum.command}\r`),
      expect(sum.text, answerMs),
    ];
  };
  const played = await play(end, toPrompt(), one, runs, signal);
  return played.map(([, , , start, stop, , summed]) => {
    const found = /[0-9a-f]{64}/.exec(textOf(summed))?.[0];
    if (found !== sha256(sent)) {
      throw new VoidRun('what was pasted is not what the user VM has read');
    }
    return (sent.length / ((stop?.endMs ?? NaN) - (start?.startMs ?? NaN))) * 1000;
  });
}

/** To a prompt, with the text in the user VM. */
function withFile({ lines }: Runs): Step[] {
  return [...toPrompt(), ...run(textCommand(lines, file))];
}

/** Plays what comes first once, and the steps of a run as often as wanted. @returns the timings of each run */
async function play(
  end: End,
  before: readonly Step[],
  one: () => readonly Step[],
  { times }: Runs,
  signal: AbortSignal,
): Promise<(readonly Timing[])[]> {
  const all = Array.from({ length: times }, one);
  const timings = await end.play([...before, ...all.flat()], signal);
  return all.map((steps, index) => {
    const from = before.length + index * steps.length;
    return timings.slice(from, from + steps.length);
  });
}

/** The first line, and all up to the last one. */
function flood({ lines, limitMs }: Runs): Step[] {
  return [expect(line(0), limitMs), expect(line(lines - 1), limitMs)];
}

/** The text from the end of its first line's text on, without the last line feed. */
function restOf(lines: number): string {
  return text(lines).slice(lineBytes - 1, -1);
}

/** Of what came from the end of the first line's text to the end of the last one's. */
function rateOf(first: Timing | undefined, all: Timing | undefined): number {
  return ((all?.output.length ?? NaN) / ((all?.endMs ?? NaN) - (first?.endMs ?? NaN))) * 1000;
}

function textOf(timing: Timing | undefined): string {
  return timing?.output.toString('latin1') ?? '';
}

function check(came: string, sent: string): void {
  if (sha256(came) === sha256(sent)) return;
  const differ = Array.from(sent).findIndex((character, index) => came[index] !== character);
  const what = `${came.length} bytes came of ${sent.length}`;
  throw new VoidRun(`${what}; the first difference is at byte ${differ}`);
}

function sha256(content: string): string {
  return createHash('sha256').update(content, 'latin1').digest('hex');
}
