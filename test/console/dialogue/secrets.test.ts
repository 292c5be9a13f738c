/** What a failure shows of what was typed as a secret: nothing, however the terminal has echoed it. */
import { describe, expect, test } from 'vitest';

import { ExpectBuffer } from '../../../src/console/dialogue/expect.js';
import { Secrets } from '../../../src/console/dialogue/secrets.js';

function knowing(...secrets: readonly string[]): Secrets {
  const known = new Secrets();
  for (const secret of secrets) known.add(Buffer.from(secret));
  return known;
}

/** The last lines of what a VM has printed. */
function tailOf(secrets: Secrets, output: string, lines = 20): string[] {
  const buffer = new ExpectBuffer();
  buffer.push(Buffer.from(output));
  return buffer.tail(lines, (text) => secrets.conceal(text));
}

describe('Secrets.conceal masks a secret', () => {
  test.each([
    ['alone', 'hunter2', 'hunter2', '********'],
    ['among other text', 'hunter2', '-sh: hunter2: not found', '-sh: ********: not found'],
    ['more than once', 'hunter2', 'hunter2hunter2', '****************'],
    ['with a space in it', 'se cret', 'x se cret y', 'x ******** y'],
    ['with characters that mean something to a pattern', 'a.*$b', 'a.*$b axxb', '******** axxb'],
    ['that readline(3) has wrapped', 'hunter2', 'hunt \rer2', '********'],
    ['that busybox has wrapped', 'hunter2', 'hunte\ber2', '********'],
    ['that zsh has wrapped', 'hunter2', 'hunte\rer2', '********'],
    ['that lies over two lines', 'hunter2', 'hunt\ner2', '********'],
    ['that was drawn again', 'hunter2', `hunter2${'\b'.repeat(7)}`, `********${'\b'.repeat(7)}`],
    ['with control characters', 'ab\x03cd\x7f', 'x ab^Ccd^? y', 'x ******** y'],
    ['of other characters', 'schlüssel', 'x schlüssel', 'x ********'],
    [
      'that is short, where it stands alone',
      'a',
      'a PIN: a, a nap',
      '******** PIN: ********, ******** nap',
    ],
    [
      'whose echo was turned off in the middle',
      'hunter2',
      'Password: hun\nlogin: ',
      'Password: ********\nlogin: ',
    ],
    ['that had not come whole', 'hunter2', 'Password: hunte', 'Password: ********'],
  ])('%s', (_, secret, text, shown) => {
    expect(knowing(secret).conceal(text)).toBe(shown);
  });

  test('of several, and each line of one', () => {
    const secrets = knowing('first1', 'line one\r\nline two\n');
    expect(secrets.conceal('first1 line two, line one!')).toBe('******** ********, ********!');
  });
});

test.each([
  ['what only begins like it', 'hunter2', 'hunters; a hunt.'],
  ['one character at the end of a line, as of a prompt', '# ecret', 'vm1 # '],
  ['a word that ends like its beginning', 'hunter2', 'a truehu'],
  ['anything, where it is empty', '', 'all of it'],
])('Secrets.conceal leaves %s', (_, secret, text) => {
  expect(knowing(secret).conceal(text)).toBe(text);
});

test('ExpectBuffer.tail shows no part of a secret that begins before what it shows, or has colours in it', () => {
  const secrets = knowing('hunter2');
  expect(tailOf(secrets, 'hunt\r\ner2\r\nend', 2)).toEqual(['********', 'end']);
  expect(tailOf(secrets, 'hunte\rer2\r\n')).toEqual(['********']);
  expect(tailOf(secrets, '\x1b[1mhun\x1b[0mter2')).toEqual(['********']);
  const [long = ''] = tailOf(secrets, `hunter2${'.'.repeat(16 * 1024 - 3)}`);
  expect(long).toMatch(/^\**\.+$/);
});

test('Secrets.conceal takes no time that grows with what a VM may print', () => {
  const begun = performance.now();
  for (const hostile of ['\r', '\b', '\n', 'hunter', 'a', ' a']) {
    tailOf(knowing('hunter2', 'a'), hostile.repeat(32 * 1024));
  }
  expect(performance.now() - begun).toBeLessThan(5000);
});
