import { expect, test } from 'vitest';

import { Turns } from '../../src/daemon/turns.js';

const busy = (how: string): object => ({
  code: 'E_BUSY',
  exitCode: 2,
  message: `the machine ${how} by another command`,
});
const never = (): Promise<never> => Promise.reject(new Error('this is not its turn'));
const nothing = (): Promise<void> => Promise.resolve();

/** Something that lasts until it is told to end. */
function lasting(): { readonly work: () => Promise<string>; readonly end: () => void } {
  let end = (): void => undefined;
  const over = new Promise<string>((resolve) => (end = () => resolve('done')));
  return { work: () => over, end: () => end() };
}

test('while the machine is saved, nothing else is done to it', async () => {
  const turns = new Turns();
  const { work, end } = lasting();
  const saved = turns.save(work);
  for (const other of ['save', 'stop', 'goOn', 'change'] as const) {
    await expect(turns[other](never), other).rejects.toMatchObject(busy('is being saved'));
  }
  end();
  expect(await saved).toBe('done');
  expect(await turns.save(() => Promise.resolve(1))).toBe(1);
});

test('a save that fails makes way for the next', async () => {
  const turns = new Turns();
  await expect(turns.save(never)).rejects.toThrow('not its turn');
  expect(await turns.save(() => Promise.resolve(1))).toBe(1);
});

test('a machine that was stopped is not saved, nor changed, until it goes on', async () => {
  const turns = new Turns();
  await turns.stop(nothing);
  await turns.stop(nothing);
  await expect(turns.save(never)).rejects.toMatchObject(busy('was stopped'));
  await expect(turns.change(never)).rejects.toMatchObject(busy('was stopped'));
  await turns.goOn(nothing);
  await turns.save(nothing);
  await expect(turns.stop(never)).rejects.toThrow('not its turn');
  await turns.save(nothing);
});

test('what runs may change in several ways at once, and is not saved meanwhile', async () => {
  const turns = new Turns();
  const { work, end } = lasting();
  const changed = [turns.change(work), turns.change(work)];
  await expect(turns.save(never)).rejects.toMatchObject({ code: 'E_BUSY' });
  end();
  expect(await Promise.all(changed)).toEqual(['done', 'done']);
  await turns.save(nothing);
});
