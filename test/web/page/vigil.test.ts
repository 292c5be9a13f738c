import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Vigil } from '../../../src/web/page/vigil.js';

let asked = 0;
let lost = 0;
/** By how much timers are late, milliseconds. */
let late = 0;
let vigil: Vigil;

beforeEach(() => {
  vi.useFakeTimers();
  asked = lost = late = 0;
  vigil = new Vigil(
    () => asked++,
    () => {
      lost++;
      vigil.end();
    },
    () => performance.now() + late,
  );
});

afterEach(() => {
  vi.useRealTimers();
});

test('Vigil gives up who does not answer, and asks anew who has', () => {
  vigil.await();
  vi.advanceTimersByTime(9000);
  vigil.heard();
  vi.advanceTimersByTime(19_000);
  expect(asked).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(asked).toBe(1);
  vi.advanceTimersByTime(5000);
  vigil.heard();
  vi.advanceTimersByTime(20_000);
  expect([asked, lost]).toEqual([2, 0]);
  vi.advanceTimersByTime(10_000);
  expect(lost).toBe(1);
  vigil.ask();
  vi.advanceTimersByTime(60_000);
  expect([asked, lost]).toEqual([2, 1]);
});

test('Vigil asks when told to, once at a time', () => {
  vigil.await();
  vigil.ask();
  expect(asked).toBe(0);
  vigil.heard();
  vigil.ask();
  vigil.ask();
  expect(asked).toBe(1);
  vi.advanceTimersByTime(10_000);
  expect(lost).toBe(1);
});

test('Vigil takes a timer that was held up for no sign of death', () => {
  vigil.await();
  vi.advanceTimersByTime(9999);
  late = 60_000;
  vi.advanceTimersByTime(1);
  expect([asked, lost]).toEqual([1, 0]);
  vi.advanceTimersByTime(10_000);
  expect(lost).toBe(1);
});
