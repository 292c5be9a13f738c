import fc from 'fast-check';
import { expect, test } from 'vitest';

import { withInclude, withoutInclude } from '../../../src/console/client/ssh-include.js';

const path = '/state/default/ssh_config';

test('withInclude puts one block at the top, and the same again is no change', () => {
  const text = withInclude('Host a\n  User b\n', 'default', path);
  expect(text).toMatch(/^# vsbypass default: begin\n#.*\nInclude "\/state.*"\n# .*end\nHost a\n/);
  expect(withInclude(text, 'default', path)).toBe(text);
  const moved = withInclude(text, 'default', '/elsewhere');
  expect(moved.match(/Include/g)).toHaveLength(1);
  const two = withInclude(text, 'lab', '/lab');
  expect(withoutInclude(two, 'lab')).toBe(text);
  expect(withoutInclude(withoutInclude(two, 'default'), 'lab')).toBe('Host a\n  User b\n');
});

test('withoutInclude gives back every text byte by byte', () => {
  const line = fc.constantFrom(
    'Host *',
    '',
    '\r',
    'Include x',
    '# vsbypass lab: begin ',
    '\xff',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom('', '\n'), (lines, tail) => {
      const text = lines.join('\n') + tail;
      expect(withoutInclude(withInclude(text, 'lab', path), 'lab')).toBe(text);
      expect(withoutInclude(text, 'lab')).toBe(text);
    }),
  );
});

test('a block that was changed by hand is left alone', () => {
  const text = withInclude('Host a\n', 'default', path);
  const damaged = [
    text.replace('# vsbypass default: end\n', ''),
    text.replace('Include', 'Host x\nInclude'),
  ];
  for (const one of damaged) {
    expect(() => withoutInclude(one, 'default')).toThrow('changed by hand');
    expect(() => withInclude(one, 'default', path)).toThrow('changed by hand');
  }
  expect(() => withInclude('', 'default', '/a*b')).toThrow('cannot name');
});
