import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

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
  actions.push(...parser.flush());
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

test('EscapeParser passes the marks of a paste on to a VM that wants them', () => {
  const parser = new EscapeParser('~');
  parser.passPasteMarks = true;
  const text = '\x1b[200~x\r~.\x1b[201~';
  expect(parser.push(Buffer.from(text))).toEqual([{ type: 'data', bytes: Buffer.from(text) }]);
});

test('EscapeParser keeps a lone ESC for a moment only, and knows what it began all the same', () => {
  const parser = new EscapeParser('~');
  expect(parser.push(Buffer.from('\x1b'))).toEqual([]);
  expect(parser.waiting).toBe(true);
  expect(parser.flush()).toEqual([{ type: 'data', bytes: Buffer.from('\x1b') }]);
  expect(parser.waiting).toBe(false);
  expect(parser.push(Buffer.from('[200~x\r~.\x1b'))).toEqual([
    { type: 'data', bytes: Buffer.from('x\r~.') },
  ]);
  // Within a paste an ESC is no key.
  expect(parser.waiting).toBe(false);
  expect(parser.push(Buffer.from('[201~\r~.')).map(({ type }) => type)).toEqual(['data', 'detach']);
});

test.each(['', 'P', 'X', ']', '^', '_', ']x', 'Px\x1b'])(
  'EscapeParser knows after a pause that ESC %j was typed, and what follows it is typed, too',
  (typed) => {
    const parser = new EscapeParser('~');
    const shown = (actions: EscapeAction[]) =>
      actions.map((action) => (action.type === 'data' ? String(action.bytes) : action.type));
    expect(shown([...parser.push(Buffer.from(`\x1b${typed}`)), ...parser.flush()])).toEqual([
      `\x1b${typed}`,
    ]);
    expect(parser.settle()).toEqual([]);
    expect(shown(parser.push(Buffer.from('^j\r~.')))).toEqual(['^j\r', 'detach']);
  },
);

test('EscapeParser knows the mark of a paste in spite of a pause within', () => {
  for (const cut of [2, 3, 5]) {
    const parser = new EscapeParser('~');
    const text = '\x1b[200~\r~.\x1b[201~';
    parser.push(Buffer.from(text.slice(0, cut)));
    parser.flush();
    parser.settle();
    expect(parser.push(Buffer.from(text.slice(cut)))).toEqual([
      { type: 'data', bytes: Buffer.from('\r~.') },
    ]);
  }
});

/** What terminals send by themselves (xterm's ctlseqs, kitty's keyboard protocol). */
const answers = {
  'cursor position': '\x1b[24;5R',
  'cursor position with page': '\x1b[?24;5;1R',
  status: '\x1b[0n',
  'device attributes': '\x1b[?62;22c',
  'secondary attributes': '\x1b[>41;354;0c',
  'tertiary attributes': '\x1bP!|00000000\x1b\\',
  parameters: '\x1b[2;1;1;120;120;1;0x',
  'a mode': '\x1b[?2026;2$y',
  'the size of the window': '\x1b[8;24;80t',
  'colour scheme': '\x1b[?997;1n',
  'focus gained': '\x1b[I',
  'focus lost': '\x1b[O',
  'mouse, X10': '\x1b[M !!',
  'mouse, SGR': '\x1b[<0;12;5M',
  'mouse let go, SGR': '\x1b[<0;12;5m',
  'mouse, urxvt': '\x1b[32;12;5M',
  'background colour': '\x1b]11;rgb:0000/0000/0000\x1b\\',
  'clipboard, ended by BEL': '\x1b]52;c;fi4=\x07',
  'version (XTVERSION)': '\x1bP>|XTerm(379)\x1b\\',
  'graphics (kitty)': '\x1b_Gi=31;OK\x1b\\',
  "kitty's keys": '\x1b[?0u',
  'a key let go (kitty)': '\x1b[13;1:3u',
};

describe.each(Object.entries(answers))('EscapeParser: %s', (_, answer) => {
  test.each([1, 2, 3, answer.length])('is no key, cut every %i bytes', (size) => {
    const chunks = (answer.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []) as string[];
    expect(play(['ls\r', ...chunks, '~.'])).toBe(`ls\r${answer}<detach>`);
    expect(play(['ls\r~', ...chunks, '.'])).toBe(`ls\r${answer}<detach>`);
    expect(play(['ls', ...chunks, '~.'])).toBe(`ls${answer}~.`);
  });
});

test.each([
  ['\x1b[A~.', '\x1b[A~.'],
  ['\x1b[1;5A~.', '\x1b[1;5A~.'],
  ['\x1bOP~.', '\x1bOP~.'],
  ['\x1b~.', '\x1b~.'],
  ['\x1b]typed\r~.', '\x1b]typed\r<detach>'],
  ['\x1bP\x1b[A\r~.', '\x1bP\x1b[A\r<detach>'],
  ['\x1b[97u~.', '\x1b[97u~.'],
])('EscapeParser takes keys for keys: %j', (input, output) => {
  expect(play([input])).toBe(output);
});

test.each([
  ['\x1b[126u\x1b[46u', '<detach>'],
  ['a\x1b[13u\x1b[96:126;2u\x1b[46u', 'a\x1b[13u<detach>'],
  ['\x1b[96;2;126u\x1b[96;2:3u\x1b[98;2;66u', '\x1b[96;2:3u<break>'],
  ['\x1b[126u\x1b[122;5u\x1b[126u\x1b[122;133u', '<suspend><suspend>'],
  ['\x1b[126u\x1b[120u', '\x1b[126u\x1b[120u'],
  ['\x1b[126;5u.', '\x1b[126;5u.'],
])("EscapeParser reads keys in kitty's coding: %j", (input, output) => {
  expect(play([input])).toBe(output);
});

test('OutputModes knows what has to be undone, however the output is cut', () => {
  const switched = '\x1b[4 q\x1b[>1u\x1b[>4;2m\x1b[=3u\x1b[4h\x1b[?7l\x1b[?1016;2026h';
  const whole = new OutputModes();
  whole.push(Buffer.from(switched));
  const bytewise = new OutputModes();
  for (const byte of Buffer.from(switched)) bytewise.push(Buffer.of(byte));
  expect(bytewise.undo).toBe(whole.undo);
  expect(whole.undo).toBe('\x1b[<1u\x1b[0 q\x1b[>4m\x1b[=0u\x1b[4l\x1b[?7h\x1b[?1016l\x1b[?2026l');
  const undone = '\x1b[0 q\x1b[<u\x1b[>4m\x1b[=0u\x1b[4l\x1b[?7h\x1b[?1016l\x1b[?2026l';
  whole.push(Buffer.from(undone));
  expect(whole.undo).toBe('');
  expect(bytewise.push(Buffer.from('\x1bc'))).toBe(true);
  expect(bytewise.undo).toBe('');
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

test.each(['\x1b[!p', '\x1b[62;1"p'])(
  'OutputModes knows that %j ends the marks, and leaves the screen and what is to be undone',
  (reset) => {
    const modes = new OutputModes();
    modes.push(Buffer.from('\x1b[?2004h\x1b[?1049h\x1b[4h\x1b[>1u'));
    const { undo } = modes;
    expect(modes.push(Buffer.from(reset.slice(0, -1)))).toBe(false);
    expect(modes.push(Buffer.from(reset.slice(-1)))).toBe(true);
    expect(modes).toMatchObject({ pasteMarks: false, alternateScreen: true, undo });
  },
);

test('EscapeParser knows no lines while there is no VM, and ^C leaves', () => {
  const parser = new EscapeParser('~');
  const types = (keys: string) => parser.push(Buffer.from(keys)).map(({ type }) => type);
  expect(types('line~.\x03')).toEqual(['data']);
  parser.connected = false;
  expect(types('~?x~?')).toEqual(['help', 'data', 'help']);
  expect(types('\x1b[200~~.\x03\x1b[201~')).toEqual(['data']);
  parser.connected = true;
  expect(types('\x03~?')).toEqual(['data']);
  parser.connected = false;
  expect(types('\x03')).toEqual(['detach']);
});

test('EscapeParser gives the same however the input is cut', () => {
  const input = fc.array(
    fc.constantFrom(
      ...[
        '~',
        '.',
        '?',
        'B',
        '\r',
        '\n',
        'a',
        '\x00',
        '\xff',
        '\x1b',
        '[',
        ']',
        '\x07',
        '\\',
        'P',
        'M',
        '3',
        ';',
        'R',
      ],
      ...['\x1b[200~', '\x1b[201~', '\x1b[24;5R', '\x1b]11;x\x1b\\'],
    ),
    { maxLength: 40 },
  );
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

test('EscapeParser keeps the order of an escape character and a lone ESC', () => {
  const parser = new EscapeParser('~');
  const data = [...parser.push(Buffer.from('~\x1b')), ...parser.flush()];
  expect(data).toEqual([{ type: 'data', bytes: Buffer.from('~\x1b') }]);
});

test('EscapeParser has nothing more to say after it was left', () => {
  const parser = new EscapeParser('~');
  expect(parser.push(Buffer.from('~.\x1b'))).toEqual([{ type: 'detach' }]);
  expect(parser.waiting).toBe(false);
  expect(parser.flush()).toEqual([]);
  expect(parser.push(Buffer.from('x'))).toEqual([]);
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
