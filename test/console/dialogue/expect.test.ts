import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { ScriptPeer } from '../../../src/console/dialogue/conversation.js';
import { ExpectBuffer } from '../../../src/console/dialogue/expect.js';
import {
  parseExpectPattern,
  parseSendText,
  runScript,
  type ScriptStep,
} from '../../../src/console/dialogue/script.js';
import { AnsiStripper } from '../../../src/formats/ansi.js';

test('ExpectBuffer finds a pattern that is cut anywhere, multi-byte characters too', () => {
  const text = Buffer.from('Welcome\r\nüser login: ');
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }), (cuts) => {
      const buffer = new ExpectBuffer();
      for (let at = 0, i = 0; at < text.length; i++) {
        const length = cuts[i % cuts.length] ?? 1;
        buffer.push(text.subarray(at, at + length));
        at += length;
      }
      expect(buffer.find(/^üser login: $/m)?.[0]).toBe('üser login: ');
    }),
  );
});

test('ExpectBuffer looks only at what came after the match before', () => {
  const buffer = new ExpectBuffer();
  buffer.push(Buffer.from('login: one login: '));
  expect(buffer.find(/login: /g)?.index).toBe(0);
  expect(buffer.find(/login: /g)).toBeDefined();
  expect(buffer.find(/login: /g)).toBeUndefined();
  buffer.push(Buffer.from('login: '));
  expect(buffer.find(/login: /g)).toBeDefined();
});

test('ExpectBuffer keeps a bounded window and the last lines, fit for a terminal', () => {
  const buffer = new ExpectBuffer();
  buffer.push(Buffer.from('needle'));
  buffer.push(Buffer.alloc(70_000, 'x'));
  expect(buffer.find(/needle/)).toBeUndefined();
  buffer.push(Buffer.from('\r\n\x1b[31mred\x1b]0;title\x07\x08\r\nlast\r\n'));
  expect(buffer.tail(2)).toEqual(['red', 'last']);
});

test('AnsiStripper takes control sequences out, wherever they are cut', () => {
  const text =
    'a\x1b[1;31mb\x1b]0;title\x07c\x1b(Bd\x1bPq;x\x1b\\e\x1b7f\x1b]0;cut\x1b[1m\x1bPshort\x18\r\n';
  for (let cut = 0; cut <= text.length; cut++) {
    const stripper = new AnsiStripper();
    expect(stripper.push(text.slice(0, cut)) + stripper.push(text.slice(cut))).toBe('abcdef\r\n');
  }
});

test('AnsiStripper gives up a string that nobody ends', () => {
  const stripper = new AnsiStripper();
  const out = stripper.push(`a\x1bP${'x'.repeat(5000)}\r\nb`);
  expect(out).toMatch(/^ax+\r\nb$/);
  expect(out.length).toBeLessThan(1000);
});

test('AnsiStripper loses no more than a line to a string that nobody ends, and no line of a picture is text', () => {
  for (const begin of ['P', 'X', ']0;', '^', '_']) {
    expect(new AnsiStripper().push(`a\x1b${begin}lost\r\nb`)).toBe('a\nb');
  }
  expect(new AnsiStripper().push('a\x1bP0;1q#0!9~-\r\n#1!9~\x1b\\b')).toBe('ab');
});

test('ExpectBuffer matches text between control sequences when asked to strip them', () => {
  const buffer = new ExpectBuffer({ stripAnsi: true });
  buffer.push(Buffer.from('\x1b[1mlo\x1b[0mgin: '));
  expect(buffer.find(/login: /)).toBeDefined();
});

test.each([
  ['root\\r', 'root\r'],
  ['a\\n\\t\\\\n\\e', 'a\n\t\\n\x1b'],
  ['\\x03\\xffü', '\x03\xff\xc3\xbc'],
  ['', ''],
])('parseSendText reads %j', (text, bytes) => {
  expect(parseSendText(text).toString('latin1')).toBe(bytes);
});

test.each(['\\q', '\\', '\\x1', 'ok\\xzz'])('parseSendText refuses %j', (text) => {
  expect(() => parseSendText(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
});

test('parseExpectPattern refuses what is no regular expression', () => {
  expect(() => parseExpectPattern('(')).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  expect(parseExpectPattern('# $').test('a\n# \r\nb')).toBe(true);
});

/** A console that answers each line it is sent. */
class FakeConsole implements ScriptPeer {
  readonly sent: string[] = [];
  #listener: (bytes: Buffer | undefined) => void = () => {};
  readonly #answers: Record<string, string>;

  constructor(answers: Record<string, string>) {
    this.#answers = answers;
  }

  onOutput(listener: (bytes: Buffer | undefined) => void): void {
    this.#listener = listener;
  }

  say(text: string | undefined): void {
    this.#listener(text === undefined ? undefined : Buffer.from(text));
  }

  send(bytes: Buffer): Promise<void> {
    this.sent.push(bytes.toString());
    for (const character of this.#answers[bytes.toString()] ?? '') this.say(character);
    return Promise.resolve();
  }
}

const wait = (source: string, timeoutMs = 5000): ScriptStep => ({
  type: 'expect',
  pattern: parseExpectPattern(source),
  timeoutMs,
});
const send = (text: string): ScriptStep => ({ type: 'send', bytes: parseSendText(text) });
const never = { signal: new AbortController().signal, stripAnsi: false };

test('runScript logs in step by step', async () => {
  const peer = new FakeConsole({ '\r': 'login: ', 'root\r': 'Password: ', 'pw\r': '\r\n# ' });
  await runScript(
    peer,
    [send('\\r'), wait('login: $'), send('root\\r'), wait('Password'), send('pw\\r'), wait('^# $')],
    never,
  );
  expect(peer.sent).toEqual(['\r', 'root\r', 'pw\r']);
});

test('runScript fails with the step, the pattern and the last lines when nothing matches in time', async () => {
  const peer = new FakeConsole({ x: 'one\r\ntwo\r\n' });
  await expect(runScript(peer, [send('x'), wait('three', 20)], never)).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    exitCode: 124,
    details: { step: 2, pattern: 'three', lastLines: ['one', 'two'] },
  });
});

test('runScript fails when the console ends, and stops when it is told to', async () => {
  const ending = new FakeConsole({});
  const ended = runScript(ending, [wait('x')], never);
  ending.say(undefined);
  await expect(ended).rejects.toMatchObject({
    code: 'E_CONSOLE_CLOSED',
    hint: expect.stringContaining('vsbypass status') as unknown,
  });
  const controller = new AbortController();
  const stopped = runScript(new FakeConsole({}), [wait('x')], {
    signal: controller.signal,
    stripAnsi: false,
  });
  controller.abort(new Error('stop'));
  await expect(stopped).rejects.toThrow('stop');
});
