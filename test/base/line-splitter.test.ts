import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { LineSplitter } from '../../src/base/line-splitter.js';

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'binary' }).map((line) => line.replace(/[\r\n]/g, '')),
          { minLength: 1 },
        ),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        (lines, sizes) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
          const splitter = new LineSplitter(1000);
          const found: string[] = [];
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            found.push(...splitter.push(bytes.subarray(at, at + size)));
            at += size;
          }
          expect(found).toEqual(lines.map((line) => Buffer.from(line).toString()));
        },
      ),
    );
  });

  it('takes the carriage return of a line end away', () => {
    expect(new LineSplitter(10).push(Buffer.from('a\r\nb\n'))).toEqual(['a', 'b']);
  });

  it('refuses a line beyond its limit', () => {
    const splitter = new LineSplitter(4);
    expect(splitter.push(Buffer.from('1234'))).toEqual([]);
    expect(() => splitter.push(Buffer.from('5'))).toThrow(RangeError);
  });
});
