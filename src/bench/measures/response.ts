/** Response time: from a key to its echo by the user VM's terminal, at random moments. */
import type { Configuration } from '../configurations/configuration.js';
import { expect, pause, send, type End, type Step } from '../ends/end.js';
import { between, type Random } from '../statistics/random.js';
import type { Cell } from './cell.js';
import { answerMs, busy, calm, interrupt, newMark, run, toPrompt } from './guest.js';

/** Between an echo and the next key, milliseconds: somebody who types. */
const gapMs = { low: 50, high: 300 } as const;
/** Longer than the adaptive HLT capture lasts after a key. */
const silenceMs = { low: 6500, high: 7500 } as const;
/** For what the setting up has left to be done in the user VM. */
const settleMs = 500;
const echoMs = 10_000;

/**
 * `idle`: nothing else runs in the user VM; `loaded`: a loop does. `silent`: nobody has typed for some
 * seconds.
 */
export type ResponseState = 'idle' | 'loaded' | 'silent';

export interface ResponseOptions {
  readonly configuration: Configuration;
  readonly end: End;
  readonly state: ResponseState;
  readonly wanted: number;
  /** Keys of one turn. */
  readonly keys: number;
  readonly random: Random;
}

export function responseCell(options: ResponseOptions): Cell {
  const { configuration, end, state, wanted, keys, random } = options;
  const gap = state === 'silent' ? silenceMs : gapMs;
  return {
    measure: 'response',
    configuration: configuration.id,
    end: end.kind,
    state,
    ...{ unit: 'ms', better: 'lower', wanted, perTurn: keys },
    guessMs: 2500 + (keys * (gap.low + gap.high)) / 2,
    turn: async (signal) => {
      const { steps, first } = keyScript(keys, state, gap, random);
      const timings = await end.play(steps, signal);
      return Array.from({ length: keys }, (_, key) => {
        const sent = timings[first + 3 * key];
        const echoed = timings[first + 3 * key + 1];
        return (echoed?.endMs ?? NaN) - (sent?.startMs ?? NaN);
      });
    },
  };
}

/** @returns the steps, and which of them sends the first key; each key has three */
export function keyScript(
  keys: number,
  state: ResponseState,
  gap: { readonly low: number; readonly high: number },
  random: Random,
): { readonly steps: Step[]; readonly first: number } {
  const go = newMark('go');
  const load = state === 'loaded' ? `${busy} ` : '';
  const before = [
    ...toPrompt(),
    send(`${load}${go.command}; cat >/dev/null\r`),
    expect(go.text, answerMs),
    pause(settleMs),
  ];
  const typed = Array.from({ length: keys }, () => [
    pause(between(random, gap.low, gap.high)),
    send('x'),
    expect('x', echoMs),
  ]).flat();
  const after = [...interrupt(), ...(state === 'loaded' ? run(calm) : run(':'))];
  return { steps: [...before, ...typed, ...after], first: before.length + 1 };
}
