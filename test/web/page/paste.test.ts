import { expect, test } from 'vitest';

import { withControl } from '../../../src/web/page/key-sequences.js';
import { cleanPaste, excerpt, needsQuestion } from '../../../src/web/page/paste.js';

test('cleanPaste leaves text, tabs and line ends, and no way out of a bracketed paste', () => {
  expect(cleanPaste('a\tb\r\nc ü €')).toBe('a\tb\r\nc ü €');
  expect(cleanPaste('x\x1b[201~\x03rm\x9b1m\x7f')).toBe('x[201~rm1m');
});

test('needsQuestion for every text that would run something', () => {
  expect(['ls', 'a b', ''].map(needsQuestion)).toEqual([false, false, false]);
  expect(['ls\n', 'a\nb', 'a\rb', '\n'].map(needsQuestion)).toEqual([true, true, true, true]);
});

test('excerpt shows eight lines at most, none of them long', () => {
  expect(excerpt('a\r\nb')).toBe('a\nb');
  const lines = excerpt(Array.from({ length: 20 }, () => 'x'.repeat(200)).join('\n')).split('\n');
  expect(lines).toHaveLength(9);
  expect(lines[0]).toHaveLength(80);
  expect(lines[8]).toBe('… 12 more lines');
});

test('withControl makes control characters of letters, and nothing else', () => {
  expect(['c', 'C', '[', ' ', '_'].map(withControl)).toEqual([
    '\x03',
    '\x03',
    '\x1b',
    '\0',
    '\x1f',
  ]);
  expect(['1', 'cc', '', '\r', 'ü'].map(withControl)).toEqual(Array(5).fill(undefined));
});
