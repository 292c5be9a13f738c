import { describe, expect, it } from 'vitest';

import { KnownOutput } from './known-output.js';

const output = new KnownOutput(200);
const lines = Array.from({ length: 200 }, (_, index) => `<${index + 1}>\r\n`);
const all = lines.join('');
const echo = `# ${output.command}\r\n`;
const bytes = all.length;
/** `text` with what a function makes of the part from `at` on, `length` long. */
const changed = (at: number, length: number, by: string): string =>
  all.slice(0, at) + by + all.slice(at + length);

describe('KnownOutput', () => {
  it('knows the command, and the end of what it prints', () => {
    expect(output.command).toContain('-lt 200 ');
    expect(output.end.test('<200>\r\n')).toBe(true);
    expect(output.end.test('<20>\r\n')).toBe(false);
  });

  describe('whole', () => {
    it.each([
      ['nothing is wrong', all, 0, 0],
      ['the command is echoed twice', echo + echo + all, 0, 0],
      ['a byte is lost', changed(402, 1, ''), 1, 0],
      ['a line is lost', all.replace('<77>\r\n', ''), 6, 0],
      ['the first line is lost', all.slice(5), 5, 0],
      ['the end is lost', all.slice(0, -9), 9, 0],
      ['a byte is changed', changed(402, 1, '\x00'), 0, 1],
      ['a byte of a number is another digit', all.replace('<77>', '<71>'), 0, 1],
      ['a byte is repeated', changed(402, 0, all[402] ?? ''), 0, 1],
      ['a line is repeated', all.replace('<77>\r\n', '<77>\r\n<77>\r\n'), 0, 6],
      ['ten lines come again', changed(0, 0, lines.slice(0, 10).join('')), 0, 51],
      // One is where it should not be, and one is not where it should be.
      ['two lines are swapped', all.replace('<77>\r\n<78>\r\n', '<78>\r\n<77>\r\n'), 6, 6],
    ])('%s', (_, text, lost, damaged) => {
      expect(output.whole(text)).toMatchObject({ lost, damaged });
    });

    it('counts the bytes that are right', () => {
      expect(output.whole(echo + all).bytes).toBe(bytes);
      expect(output.whole(changed(402, 1, '\x00')).bytes).toBe(bytes - 1);
    });
  });

  describe('beginning', () => {
    it('takes an end within a line', () => {
      expect(output.beginning(echo + all.slice(0, 403))).toEqual({
        bytes: 403,
        lost: 0,
        damaged: 0,
      });
    });

    it('finds what is lost and damaged before the end', () => {
      expect(output.beginning(changed(200, 3, '').slice(0, 400))).toMatchObject({
        lost: 3,
        damaged: 0,
      });
      expect(output.beginning(`${all.slice(0, 400)}\x00\x00`)).toMatchObject({
        lost: 0,
        damaged: 2,
      });
    });
  });

  describe('continued', () => {
    it.each([
      ['goes on where the other ended', 403, 403, 0, 0],
      ['shows some again', 403, 300, 0, 103],
      ['shows all again', 403, 0, 0, 403],
      ['has a gap', 403, 410, 7, 0],
    ])('%s', (_, until, from, lost, again) => {
      const got = output.continued(echo + all.slice(0, until), all.slice(from));
      expect(got).toEqual({ bytes: bytes - lost, lost, damaged: 0, again });
    });

    it('sees damage before the end of the first session, though the second shows that part not', () => {
      const before = changed(200, 2, '??').slice(0, 403);
      expect(output.continued(before, all.slice(403))).toMatchObject({ lost: 0, damaged: 2 });
      expect(output.continued(changed(200, 2, '').slice(0, 401), all.slice(403))).toMatchObject({
        lost: 2,
        damaged: 0,
      });
    });

    it('sees damage in what the second session shows', () => {
      expect(output.continued(all.slice(0, 403), changed(700, 1, '?').slice(403))).toMatchObject({
        lost: 0,
        damaged: 1,
      });
    });
  });
});
