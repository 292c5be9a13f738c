/**
 * What a console costs those who do not use it: work of fixed size in another user VM of the same L2, while
 * nobody is at this VM's console, somebody is, somebody types there, or it is flooded.
 */
import { VsbError } from '../../base/errors.js';
import type { Configuration } from '../configurations/configuration.js';
import { expect, pause, send, type End, type Step } from '../ends/end.js';
import type { Cell } from './cell.js';
import { answerMs, newMark, run, toPrompt } from './guest.js';
import { textCommand } from './text.js';

/** `cpu`: a loop of the shell. `io`: reads of the real-time clock, whose ports L2's device model emulates. */
export type Work = 'cpu' | 'io';
export type Disturbance = 'idle' | 'attached' | 'typed' | 'flooded';

const works: Readonly<Record<Work, { readonly body: string; readonly first: number }>> = {
  cpu: { body: ':', first: 5000 },
  io: { body: 'read x </proc/driver/rtc', first: 10 },
};

export interface SideCostOptions {
  /** Whose console it is. */
  readonly configuration: Configuration;
  /** That console; not used while it is idle. */
  readonly console: End;
  /** A console of the user VM that works. */
  readonly worker: End;
  readonly work: Work;
  readonly disturbance: Disturbance;
  readonly wanted: number;
  /** How long the work should take, milliseconds. */
  readonly targetMs: number;
}

export function sideCostCell(options: SideCostOptions): Cell {
  const { configuration, console, worker, work, disturbance, wanted, targetMs } = options;
  let rounds: number | undefined;
  return {
    measure: 'side-costs',
    configuration: configuration.id,
    end: worker.kind,
    state: `${work}, ${disturbance}`,
    ...{ unit: 'µs', better: 'lower', wanted, perTurn: 1, guessMs: targetMs + 3000 },
    turn: async (signal) => {
      const measure = async (): Promise<number> => {
        const microseconds = await timeWork(worker, work, rounds ?? works[work].first, signal);
        rounds = Math.max(works[work].first, Math.round((targetMs * 1000) / microseconds));
        return microseconds;
      };
      if (rounds === undefined) await measure();
      const quiet = new AbortController();
      const disturbing = disturb(console, disturbance, AbortSignal.any([signal, quiet.signal]));
      try {
        return [await measure()];
      } finally {
        quiet.abort();
        await disturbing;
        if (disturbance !== 'idle') await console.play(toPrompt(), signal);
      }
    },
  };
}

/** Microseconds for one round, by the worker's own clock. */
async function timeWork(
  worker: End,
  work: Work,
  rounds: number,
  signal: AbortSignal,
): Promise<number> {
  const done = newMark('done');
  const steps = [
    ...toPrompt(),
    send(
      `i=0; read a b </proc/uptime; while [ $i -lt ${rounds} ]; do ${works[work].body}; i=$((i+1)); done; ` +
        `read c d </proc/uptime; echo took $a $c; ${done.command}\r`,
    ),
    expect(done.text, 4 * answerMs),
  ];
  const said = (await worker.play(steps, signal)).at(-1)?.output.toString('latin1') ?? '';
  const [, from, to] = /^took ([\d.]+) ([\d.]+)$/m.exec(said) ?? [];
  const seconds = Number(to) - Number(from);
  if (!(seconds > 0)) {
    throw new VsbError('E_CONSOLE_CLOSED', 'the user VM does not say how long it has worked', {
      layer: 'L3',
    });
  }
  return (seconds * 1e6) / rounds;
}

/** Longer than any work takes. */
const longMs = 10 * 60_000;

/** Keeps the console as it is to be until it is aborted. */
async function disturb(console: End, disturbance: Disturbance, signal: AbortSignal): Promise<void> {
  if (disturbance === 'idle') return;
  try {
    await console.play([...disturbances[disturbance](), pause(longMs)], signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** What is done at a console, each time with marks of its own. */
const disturbances: Readonly<Record<Exclude<Disturbance, 'idle'>, () => Step[]>> = {
  attached: () => [],
  typed: () => [
    ...[...toPrompt(), send('cat >/dev/null\r')],
    ...Array.from({ length: 200 }, () => [pause(300), send('x')]).flat(),
  ],
  flooded: () => [
    ...toPrompt(),
    ...run(textCommand(200, '/tmp/flood')),
    send('while :; do cat /tmp/flood; done\r'),
  ],
};
