/** Scripts for the shell in a user VM: how each begins and ends, whatever the one before has left. */
import { expect, send, type Step } from '../ends/end.js';

/** For anything small in a user VM, milliseconds. */
export const answerMs = 30_000;

let turns = 0;

/** A mark that is not in the output by chance, and not in the echo of what prints it. */
export interface Mark {
  /** Prints it, as words of a shell. */
  readonly command: string;
  readonly text: string;
}

export function newMark(word: string): Mark {
  const turn = ++turns;
  return { command: `echo ${word}''-${turn}`, text: `${word}-${turn}\n` };
}

/**
 * To a prompt: ends what runs, takes back what is typed, and has line ends come as they are. With a width
 * at which the shell does not break what it echoes.
 */
export function toPrompt(): Step[] {
  const ready = newMark('ready');
  return [
    ...interrupt(),
    send(`stty sane -onlcr cols 500; ${ready.command}\r`),
    expect(ready.text, answerMs),
  ];
}

/** Ends what runs. What is typed before the shell is back may be thrown away with what it has interrupted. */
export function interrupt(): Step[] {
  return [send('\x03'), expect('# ', answerMs)];
}

/** Types a command and waits for its end. */
export function run(command: string, limitMs = answerMs): Step[] {
  const done = newMark('done');
  return [send(`${command}; ${done.command}\r`), expect(done.text, limitMs)];
}

/** Keeps the user VM busy until `calm`. */
export const busy = 'while :; do :; done &';
export const calm = 'kill $!';
