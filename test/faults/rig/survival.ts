/**
 * How a fault was survived: what the user was told, what still ran, whether a byte of the console was missing, whether the
 * next command worked. What is wrong about it fails the test, which goes on to see the rest.
 */
import { expect, type TestContext } from 'vitest';

import { pause } from '../../../scripts/console.mjs';
import type { Finished } from '../../e2e/command-line.js';
import type { Count } from './known-output.js';
import type { FaultRecord } from './record.js';
import { bothRun, type FaultStatus, type Testbed } from './testbed.js';
import { complaint, said, told, unknownToStatus } from './told.js';

const named = (kinds: readonly string[]): string => kinds.join(', ') || 'nothing';

export class Survival {
  readonly #record: FaultRecord;
  readonly #testbed: Testbed;

  constructor({ task }: Pick<TestContext, 'task'>, testbed: Testbed, injected: string) {
    this.#record = { injected, told: '', left: '', next: '', bytes: '' };
    task.meta.fault = this.#record;
    this.#testbed = testbed;
  }

  /** Where only the moment tells what was done. */
  set injected(text: string) {
    this.#record.injected = text;
  }

  set next(text: string) {
    this.#record.next = text;
  }

  expect(truth: boolean, problem: string): void {
    expect.soft(truth, problem).toBe(true);
  }

  /** What the user sees, and nothing has to be said about it. */
  sees(text: string): void {
    const { told: before } = this.#record;
    if (!before.includes(text)) this.#record.told = before === '' ? text : `${before}; ${text}`;
  }

  /** What the user is told, which has to be clear; `all` is where it was found. */
  says(text: string, pattern?: RegExp, all?: string): void {
    this.sees(text);
    expect.soft(complaint(text, pattern, all)).toBeUndefined();
  }

  /** A command that failed, which has to say why. */
  fails(result: Finished, pattern?: RegExp, name?: string): void {
    this.says(`${name === undefined ? '' : `${name} `}${said(result)}`, pattern, result.stderr);
    this.expect(result.code !== 0, `${name ?? 'the command'} did not fail`);
  }

  output({ bytes, lost, damaged, again = 0 }: Count & { readonly again?: number }): void {
    const repeated = again > 0 ? `, ${again} shown again` : '';
    this.#record.bytes = `${bytes} checked, ${lost} lost, ${damaged} damaged${repeated}`;
    expect.soft({ lost, damaged }, 'bytes of the console').toEqual({ lost: 0, damaged: 0 });
  }

  noteBytes(text: string): void {
    this.#record.bytes += `; ${text}`;
  }

  /** These run, and no others. */
  async leaves(wanted: readonly string[], seconds?: number): Promise<void> {
    const kinds = await this.#testbed.settle(wanted, seconds);
    this.#record.left = named(kinds);
    expect.soft(kinds, 'what runs').toEqual(wanted);
  }

  /** What runs is what status says. */
  async leavesWhatStatusKnows(): Promise<FaultStatus> {
    const end = Date.now() + 20_000;
    for (;;) {
      const before = named(await this.#testbed.settle([], 0));
      const status = await this.#testbed.status();
      const kinds = await this.#testbed.settle([], 0);
      const wrong = unknownToStatus(kinds, status);
      const restless = before !== named(kinds) || /starting|stopping/.test(status.state);
      if ((restless || wrong !== undefined) && Date.now() < end) {
        await pause(1000);
        continue;
      }
      this.#record.left = named(kinds);
      expect.soft(wrong).toBeUndefined();
      return status;
    }
  }

  /** `up` works; where nothing was broken, it says so. */
  async nextUp(options: { before?: string; env?: NodeJS.ProcessEnv } = {}): Promise<FaultStatus> {
    const { before = '', env = {} } = options;
    const { state } = await this.#testbed.status();
    const start = performance.now();
    const result = await this.#testbed.run(['up'], { env });
    const seconds = Math.round((performance.now() - start) / 1000);
    if (state === 'running') {
      this.next = `${before}up: ${said(result)}`;
      expect.soft(result.stderr, 'the next up').toContain('E_INSTANCE_EXISTS');
    } else {
      const did = /(took|cleared|ended|removed|dropped)[^\n]*/.exec(result.stderr)?.[0];
      const how = did === undefined ? '' : ` (${did})`;
      this.next = `${before}up: exit ${result.code}, ${seconds} s${how}`;
      expect.soft(result.code, `the next up: ${said(result)}`).toBe(0);
    }
    expect.soft(await this.#testbed.settle(bothRun), 'what runs after up').toEqual(bothRun);
    const status = await this.#testbed.status();
    expect.soft(told(status), 'the state after up').toBe('running');
    return status;
  }

  async nextDown(): Promise<void> {
    const result = await this.#testbed.run(['down']);
    this.next = `down: exit ${result.code}`;
    expect.soft(result.code, `the next down: ${said(result)}`).toBe(0);
    expect.soft(await this.#testbed.settle([]), 'what runs after down').toEqual([]);
  }

  /** It is as it was before, by itself. */
  async recovers(when: string, seconds?: number): Promise<void> {
    const status = await this.#testbed.statusUntil(({ state }) => state === 'running', seconds);
    this.next = `${when}: ${told(status)}`;
    this.expect(status.state === 'running', `${when}: ${told(status)}`);
  }

  /** The VM's console takes a login, if nobody is logged in, and a command. */
  async consoleAnswers(): Promise<void> {
    const session = await this.#testbed.session();
    const answer = await session.tty.run('echo $((6*7))');
    this.expect(answer.includes('42'), 'the console is mute');
    await session.end();
  }
}
