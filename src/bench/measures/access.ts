/**
 * What one access of the user VM to its serial port takes, as a program there sees it, the system call taken off
 * (images/programs/bench/uart-access.c).
 */
import { VsbError } from '../../base/errors.js';
import type { Configuration } from '../configurations/configuration.js';
import { expect, pause, send, type End, type Step } from '../ends/end.js';
import type { Cell } from './cell.js';
import { answerMs, newMark, run, toPrompt } from './guest.js';

export interface AccessOptions {
  readonly configuration: Configuration;
  readonly end: End;
  readonly program: Buffer;
  readonly wanted: number;
}

const path = '/tmp/uart-access';
const accesses = 400;
/** Of the program as it is typed: short lines, a terminal takes no longer ones than 4095 characters. */
const typedLine = 76;

export function accessCell({ configuration, end, program, wanted }: AccessOptions): Cell {
  let brought = false;
  return {
    measure: 'anatomy',
    configuration: configuration.id,
    end: end.kind,
    state: 'access',
    ...{ unit: 'µs', better: 'lower', wanted, perTurn: 1, guessMs: 4000 },
    turn: async (signal) => {
      const done = newMark('done');
      const steps = [
        ...toPrompt(),
        ...(brought ? [] : bring(program)),
        send(`${path} ${accesses}; ${done.command}\r`),
        expect(done.text, answerMs),
      ];
      const said = (await end.play(steps, signal)).at(-1)?.output.toString('latin1') ?? '';
      const nanoseconds = /^(\d+)$/m.exec(said)?.[1];
      if (nanoseconds === undefined) {
        throw new VsbError('E_CONSOLE_CLOSED', 'the user VM cannot time accesses', { layer: 'L3' });
      }
      brought = true;
      return [Number(nanoseconds) / 1000];
    },
  };
}

/** Types the program. */
function bring(program: Buffer): Step[] {
  const lines = program.toString('base64').match(new RegExp(`.{1,${typedLine}}`, 'g')) ?? [];
  const typed = lines.flatMap((line) => [send(`${line}\r`), pause(20)]);
  return [
    send(`base64 -d >${path} <<E\r`),
    ...typed,
    send('E\r'),
    // A nested console of Xen takes a hundred characters a second, and shows each of them.
    ...run(`chmod +x ${path}`, 6 * answerMs),
  ];
}
