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
  const { configuration, end, flow, wanted, targetMs } = options;
  let lines: number | undefined;
  return {
    measure: 'throughput',
    configuration: configuration.id,
    end: end.kind,
    state: flow,
    ...{ unit: 'characters/s', better: 'higher', wanted, perTurn: 1 },
    guessMs: targetMs + 2500,
    turn: async (signal) => {
      const limitMs = answerMs + patience * targetMs;
      const measure = async (size: number): Promise<number> => {
        const rate = await flows[flow](end, size, limitMs, signal);
        const fitting = Math.round((rate * targetMs) / 1000 / lineBytes);
        // A rate that was mistaken must not make the next run endless.
        const most = Math.min(mostLines[flow], size * growth);
        lines = Math.min(Math.max(fitting, fewestLines), most);
        return rate;
      };
      if (lines === undefined) {
        const rate = await measure(firstLines);
        // A slow console has taken long enough for it already.
        const took = ((firstLines * lineBytes) / rate) * 1000;
        if (took >= targetMs / 2) return [rate];
      }
      return [await measure(lines ?? firstLines)];
    },
  };
}

type Run = (end: End, lines: number, limitMs: number, signal: AbortSignal) => Promise<number>;

const flows: Readonly<Record<Flow, Run>> = { cat, printk, paste };

/** From the end of the first line to the end of the last one. */
async function cat(end: End, lines: number, limitMs: number, signal: AbortSignal): Promise<number> {
  const steps = [
    ...toPrompt(),
    ...run(textCommand(lines, file)),
    send(`cat ${file}\r`),
    ...flood(lines, limitMs),
    ...run(':'),
  ];
  const between = last(await end.play(steps, signal), steps, lines);
  check(between.output.toString('latin1'), restOf(lines));
  return rateOf(between);
}

/** The same by messages of the kernel, which puts a time before each. */
async function printk(
  end: End,
  lines: number,
  limitMs: number,
  signal: AbortSignal,
): Promise<number> {
  const go = newMark('go');
  const steps = [
    ...toPrompt(),
    ...run(textCommand(lines, file)),
    // Pauses: the terminal's own output and the kernel's would be mixed.
    send(
      `echo on >/proc/sys/kernel/printk_devkmsg; dmesg -n 8; ${go.command}; sleep 1; ` +
        `while read -r l; do echo "<3>$l" >&3; done <${file} 3>/dev/kmsg; sleep 1; dmesg -n 4\r`,
    ),
    expect(go.text, answerMs),
    ...flood(lines, limitMs),
    pause(1500),
    ...run(':'),
  ];
  const between = last(await end.play(steps, signal), steps, lines);
  const came = between.output.toString('latin1').replaceAll('\r', '');
  check(came.replace(/^\[ *\d+\.\d+\] /gm, ''), restOf(lines));
  return rateOf(between);
}

/** From the first character that is sent to the word of the user VM that it has read all. */
async function paste(
  end: End,
  lines: number,
  limitMs: number,
  signal: AbortSignal,
): Promise<number> {
  const [go, all] = [newMark('go'), newMark('all')];
  const sent = text(lines);
  const before = [
    ...toPrompt(),
    send(`stty -echo; ${go.command}; cat >/tmp/in; ${all.command}\r`),
    expect(go.text, answerMs),
    pause(200),
  ];
  const sum = newMark('sum');
  const steps = [
    ...before,
    send(`${sent}\x04`),
    expect(all.text, limitMs),
    send(`stty echo; sha256sum </tmp/in; ${sum.command}\r`),
    expect(sum.text, answerMs),
  ];
  const timings = await end.play(steps, signal);
  const [start, stop, , summed] = timings.slice(before.length);
  const found = /[0-9a-f]{64}/.exec(summed?.output.toString('latin1') ?? '')?.[0];
  if (found !== sha256(sent)) throw new VoidRun('what was pasted is not what the user VM has read');
  return (sent.length / ((stop?.endMs ?? NaN) - (start?.startMs ?? NaN))) * 1000;
}

/** The first line, and all up to the last one. */
function flood(lines: number, limitMs: number): Step[] {
  return [expect(line(0), limitMs), expect(line(lines - 1), limitMs)];
}

interface Between {
  readonly output: Buffer;
  readonly ms: number;
}

/** What came from the end of the first line's text to the end of the last one's. */
function last(timings: readonly Timing[], steps: readonly Step[], lines: number): Between {
  const wanted = Buffer.from(line(lines - 1));
  const at = steps.findIndex((step) => step.do === 'expect' && step.bytes.equals(wanted));
  const [before, there] = [timings[at - 1], timings[at]];
  if (before === undefined || there === undefined) throw new TypeError('all steps were played');
  return { output: there.output, ms: there.endMs - before.endMs };
}

/** The text from the end of its first line's text on, without the last line feed. */
function restOf(lines: number): string {
  return text(lines).slice(lineBytes - 1, -1);
}

function rateOf({ output, ms }: Between): number {
  return (output.length / ms) * 1000;
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
