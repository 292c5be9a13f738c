import { beforeEach, describe, expect, it } from 'vitest';

import { continueMachine, stopMachine } from '../../src/machine/pause.js';

type Machine = Parameters<typeof stopMachine>[0];

let steps: string[];
let answers: boolean;
const { signal } = new AbortController();

function machine(accel: 'tcg' | 'kvm'): Machine {
  const parts = {
    qmp: {
      execute: (command: string) => {
        steps.push(command);
        return Promise.resolve({});
      },
    },
    link: {
      hold: (milliseconds: number) => {
        steps.push(`hold ${milliseconds}`);
        return answers ? Promise.resolve() : Promise.reject(new Error('silence'));
      },
    },
    request: { accel: { accel } },
    log: (text: string) => steps.push(text),
  };
  return parts as unknown as Machine;
}

beforeEach(() => {
  steps = [];
  answers = true;
});

describe('stopMachine and continueMachine', () => {
  it('have L1 run no guest while QEMU stops', async () => {
    await stopMachine(machine('tcg'), signal);
    expect(steps).toEqual(['hold 1000', 'stop']);
    await continueMachine(machine('tcg'));
    expect(steps.slice(2)).toEqual(['cont', 'hold 0']);
  });

  it('ask nothing of L1 where the CPUs are real', async () => {
    await stopMachine(machine('kvm'), signal);
    await continueMachine(machine('kvm'));
    expect(steps).toEqual(['stop', 'cont']);
  });

  it('do it without an answer of L1, and say so', async () => {
    answers = false;
    await stopMachine(machine('tcg'), signal);
    expect(steps).toEqual(['hold 1000', 'L1 was not held: silence', 'stop']);
  });

  it('let the machine go on without a link', async () => {
    const unlinked = machine('tcg');
    delete unlinked.link;
    await continueMachine(unlinked);
    expect(steps).toEqual(['cont']);
  });
});
