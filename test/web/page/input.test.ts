import fc from 'fast-check';
import { expect, test } from 'vitest';

import { INPUT_LIMIT, InputQueue } from '../../../src/web/page/input.js';
import { INPUT_PIECE, INPUT_WINDOW } from '../../../src/web/page/limits.js';

test('InputQueue keeps order, pieces and window, however input comes and is taken', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 12 }), (lengths) => {
      const sent: Uint8Array[] = [];
      const queue = new InputQueue((piece) => sent.push(piece));
      const all: number[] = [];
      let underWay = 0;
      let seen = 0;
      const check = () => {
        for (; seen < sent.length; seen++) underWay += sent[seen]?.length ?? 0;
        expect(underWay).toBeLessThanOrEqual(INPUT_WINDOW);
      };
      for (const length of lengths) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
        all.push(...bytes);
        expect(queue.push(bytes)).toBe(true);
        check();
        if (length % 2 === 0 && underWay > 0) {
          queue.taken(Math.min(underWay, length));
          underWay -= Math.min(underWay, length);
          check();
        }
      }
      while (underWay > 0) {
        const part = underWay;
        underWay = 0;
        queue.taken(part);
        check();
      }
      expect(sent.every(({ length }) => length <= INPUT_PIECE)).toBe(true);
      expect(Buffer.concat(sent).equals(Buffer.from(all))).toBe(true);
      expect(queue.pending).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('InputQueue refuses what is too much as a whole, and forgets what was for another session', () => {
  const sent: Uint8Array[] = [];
  const queue = new InputQueue((piece) => sent.push(piece));
  expect(queue.push(new Uint8Array(INPUT_LIMIT))).toBe(true);
  expect(queue.push(new Uint8Array(INPUT_LIMIT))).toBe(false);
  queue.clear();
  sent.length = 0;
  queue.push(Uint8Array.of(1));
  expect(sent).toEqual([Uint8Array.of(1)]);
});
