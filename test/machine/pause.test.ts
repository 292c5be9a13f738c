import { beforeEach, describe, expect, it } from 'vitest';

import { continueMachine, stopMachine } from '../../src/machine/pause.js';

type Machine = Parameters<typeof stopMachine>[0];

let steps: string[];
let answers: boolean;
const { signal } = new AbortController();

function machine(stopsBetweenGuestsOnly: boolean): Machine {
  const parts = {
    machine: {
      stopsBetweenGuestsOnly,
      stop: () => Promise.resolve(void steps.push('stop')),
      continue: () => Promise.resolve(void steps.push('continue')),
    },
    link: {
      hold: (milliseconds: number) => {
        steps.push(`hold ${milliseconds}`);
        return answers ? Promise.resolve() : Promise.reject(new Error('silence'));
      },
    },
    log: (text: string) => steps.push(text),
  };
  return parts as unknown as Machine;
}

beforeEach(() => {
  steps = [];
  answers = true;
});

describe('stopMachine and continueMachine', () => {
  it('have L1 run no guest while the machine stops', async () => {
    await stopMachine(machine(true), signal);
    expect(steps).toEqual(['hold 1000', 'stop']);
    await continueMachine(machine(true));
    expect(steps.slice(2)).toEqual(['continue', 'hold 0']);
  });

  it('ask nothing of L1 where any moment will do', async () => {
    await stopMachine(machine(false), signal);
    await continueMachine(machine(false));
    expect(steps).toEqual(['stop', 'continue']);
  });

  it('do it without an answer of L1, and say so', async () => {
    answers = false;
    await stopMachine(machine(true), signal);
    expect(steps).toEqual(['hold 1000', 'L1 was not held: silence', 'stop']);
  });

  it('let the machine go on without a link', async () => {
    const unlinked = machine(true);
    delete unlinked.link;
    await continueMachine(unlinked);
    expect(steps).toEqual(['continue']);
  });
});
