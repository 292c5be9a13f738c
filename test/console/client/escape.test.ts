import fc from 'fast-check';
import { expect, test } from 'vitest';

import { EscapeParser, type EscapeAction } from '../../../src/console/client/escape.js';
import { OutputModes } from '../../../src/console/client/output-modes.js';

/** The actions as text: data as it is, the others in angle brackets. */
function play(chunks: readonly string[], escape = '~'): string {
  const parser = new EscapeParser(escape === 'none' ? undefined : escape);
  const actions: EscapeAction[] = [];
  for (const chunk of chunks) {
    actions.push(...parser.push(Buffer.from(chunk, 'latin1')));
    if (actions.at(-1)?.type === 'detach') break;
  }
  return actions
    .map((action) =>
      action.type === 'data' ? action.bytes.toString('latin1') : `<${action.type}>`,
    )
    .join('');
}

test.each([
  ['~.', '<detach>'],
  ['ls\r~.never', 'ls\r<detach>'],
  ['ls\n~?ls', 'ls\n<help>ls'],
  ['~B~Bx', '<break><break>x'],
  ['~~.', '~.'],
  ['~~~.', '~~.'],
  ['a~.', 'a~.'],
  ['cd ~/x\r', 'cd ~/x\r'],
  ['~/x\r~.', '~/x\r<detach>'],
  ['~\r~.', '~\r<detach>'],
  ['~b', '~b'],
  ['\xff~.', '\xff~.'],
])('EscapeParser turns %j into %j', (input, output) => {
  expect(play([input])).toBe(output);
});

test('EscapeParser knows all commands', () => {
  expect(play(['~r~w~s~t~z~\x1a~.'])).toBe('<replay><who><status><take><size><suspend><detach>');
});

test.each([
  ['\x1b[200~ls\r~.\r~B\x1b[201~', 'ls\r~.\r~B'],
  ['\r\x1b[200~~.\x1b[201~', '\r~.'],
  ['\x1b[200~text\r\x1b[201~~.', 'text\r<detach>'],
  ['~\x1b[200~.\x1b[201~', '~.'],
  ['\x1b[200~a\x1b[200~~.\r~.\x1b[201~\r~.', 'a\x1b[200~~.\r~.\r<detach>'],
  ['\x1b[20~\r~.', '\x1b[20~\r<detach>'],
])('EscapeParser takes nothing that is pasted for a command: %j', (input, output) => {
  expect(play([input])).toBe(output);
  expect(play([input.slice(0, 4), input.slice(4)])).toBe(output);
});

test('EscapeParser passes the marks of a paste on to a VM that wants them, and a lone ESC at once', () => {
  const parser = new EscapeParser('~');
  parser.passPasteMarks = true;
  const text = '\x1b[200~x\r~.\x1b[201~';
  expect(parser.push(Buffer.from(text))).toEqual([{ type: 'data', bytes: Buffer.from(text) }]);
  const esc = { type: 'data', bytes: Buffer.from('\x1b') };
  expect(parser.push(Buffer.from('\x1b'))).toEqual([esc]);
});

test('OutputModes follows what the VM asks the terminal for, however it is cut', () => {
  const mode = new OutputModes();
  expect(mode.push(Buffer.from('text \x1b[?20'))).toBe(false);
  expect(mode.push(Buffer.from('04h$ '))).toBe(false);
  expect(mode.pasteMarks).toBe(true);
  expect(mode.push(Buffer.from('\x1b[?25;2004l'))).toBe(true);
  expect(mode.pasteMarks).toBe(false);
  expect(mode.push(Buffer.from('more'))).toBe(false);
  expect(mode.push(Buffer.from('\x1b[?2004h\x1b[?2004l'))).toBe(true);
  for (const byte of Buffer.from('vi \x1b[?1049h')) mode.push(Buffer.of(byte));
  expect(mode.alternateScreen).toBe(true);
  expect(mode.push(Buffer.from('\x1b[?1049;2004l'))).toBe(true);
  expect(mode.alternateScreen).toBe(false);
});

test('EscapeParser gives the same however the input is cut', () => {
  const input = fc.array(fc.constantFrom('~', '.', '?', 'B', '\r', '\n', 'a', '\x00', '\xff'), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(input, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), (keys, cuts) => {
      const text = keys.join('');
      const chunks: string[] = [];
      for (let at = 0, i = 0; at < text.length; i++) {
        const length = cuts[i % cuts.length] ?? 1;
        chunks.push(text.slice(at, at + length));
        at += length;
      }
      expect(play(chunks)).toBe(play([text]));
    }),
    { numRuns: 1000 },
  );
});

test('EscapeParser without an escape character passes everything on', () => {
  expect(play(['~.', '\r~.'], 'none')).toBe('~.\r~.');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  expect(new EscapeParser(undefined).push(bytes)).toEqual([{ type: 'data', bytes }]);
});

test('EscapeParser takes another character, even one that is a command', () => {
  expect(play(['^.'], '^')).toBe('<detach>');
  expect(play(['..'], '.')).toBe('.');
  expect(() => new EscapeParser('é')).toThrow(RangeError);
});
