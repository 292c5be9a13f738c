import { expect, test } from 'vitest';

import { unfinishedEnd } from '../../src/formats/unfinished.js';

test.each([
  'text',
  'äöü€😀',
  'two\r\n',
  '\x1b[31mred',
  '\x1b[0m',
  '\x1b7',
  '\x1b(B',
  '\x1b]0;title\x07',
  '\x1b]0;title\x1b\\',
  '\x1bPq#0\x1b\\',
  // Ended by CAN.
  '\x1b[3\x18',
])('is whole: %j', (text) => {
  expect(unfinishedEnd(Buffer.from(text)).length).toBe(0);
});

test.each([
  ['price ', '\x1b'],
  ['price ', '\x1b[3'],
  ['\x1b[1m', '\x1b[?20;3'],
  ['', '\x1b[1\r2'],
  ['', '\x1b('],
  ['', '\x1b]0;tïtle'],
  ['\x1b]0;title', '\x1b'],
  ['', '\x1bPq#0;2\r\n'],
])('after %j: %j', (before, end) => {
  expect(String(unfinishedEnd(Buffer.from(before + end)))).toBe(end);
});

test.each(['ä', '€', '😀'])('%s is whole with its last byte', (character) => {
  const bytes = Buffer.from(`price ${character}`);
  const length = Buffer.byteLength(character);
  for (let missing = 1; missing < length; missing++) {
    expect(unfinishedEnd(bytes.subarray(0, -missing)).length).toBe(length - missing);
  }
});

test('a string that never ends is no reason to wait for ever', () => {
  expect(unfinishedEnd(Buffer.from(`\x1b]0;${'x'.repeat(5000)}`)).length).toBe(0);
});
