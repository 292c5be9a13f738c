import fc from 'fast-check';
import { expect, test } from 'vitest';

import { History } from '../../../src/console/hub/history.js';

test('History gives each reader what a plain buffer would, and counts what it lost', () => {
  const appends = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 32 }),
      appends,
      fc.nat(400),
      fc.integer({ min: 1, max: 50 }),
      (capacity, pieces, position, limit) => {
        const history = new History(capacity);
        for (const piece of pieces) history.append(piece);
        const all = Buffer.concat(pieces);
        expect(history.end).toBe(all.length);
        expect(history.start).toBe(Math.max(0, all.length - capacity));
        const from = Math.max(position, history.start);
        const chunk = history.read(position, limit);
        if (from >= all.length) expect(chunk).toBeUndefined();
        else {
          expect(chunk?.missed).toBe(from - position);
          expect(chunk?.bytes.equals(all.subarray(from, from + limit))).toBe(true);
        }
      },
    ),
  );
});

test('History.read hands out a copy', () => {
  const history = new History(4);
  history.append(Buffer.from('abcd'));
  const chunk = history.read(0, 4);
  history.append(Buffer.from('WXYZ'));
  expect(String(chunk?.bytes)).toBe('abcd');
});
