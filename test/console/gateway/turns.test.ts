import { expect, test } from 'vitest';

import { Turns } from '../../../src/console/gateway/turns.js';

test('whoever asks for many waits behind those who ask for one; one job runs at a time', async () => {
  const turns = new Turns();
  const done: string[] = [];
  let running = 0;
  const ask = (owner: object, name: string): Promise<string> =>
    turns.run(owner, async () => {
      expect(++running).toBe(1);
      await Promise.resolve();
      running--;
      done.push(name);
      return name;
    });
  const [greedy, second, third] = [{}, {}, {}];
  const all = [ask(greedy, 'a'), ask(greedy, 'b'), ask(greedy, 'c'), ask(second, 'd')];
  all.push(ask(third, 'e'), ask(second, 'f'));
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(done).toEqual(['a', 'd', 'e', 'b', 'f', 'c']);
});

test('a job that fails fails alone', async () => {
  const turns = new Turns();
  const failed = turns.run({}, () => Promise.reject(new Error('no')));
  const next = turns.run({}, () => Promise.resolve('yes'));
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('yes');
  expect(await turns.run({}, () => Promise.resolve('later'))).toBe('later');
});
