import { describe, expect, it } from 'vitest';

import { packCpio } from '../../src/formats/cpio.js';

/** A reader of the format, written from cpio(5): the other half of the round trip. */
function unpack(archive: Buffer): { path: string; mode: number; content: string; links: number }[] {
  const entries = [];
  for (let at = 0; ;) {
    const field = (index: number): number =>
      Number.parseInt(archive.toString('ascii', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString('ascii', at, at + 6)).toBe('070701');
    const size = field(6);
    const nameSize = field(11);
    const name = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
    if (name === 'TRAILER!!!') return entries;
    const dataAt = (at + 110 + nameSize + 3) & ~3;
    entries.push({
      path: name,
      mode: field(1),
      links: field(4),
      content: archive.toString('utf8', dataAt, dataAt + size),
    });
    at = (dataAt + size + 3) & ~3;
  }
}

describe('packCpio', () => {
  it('packs files with their parent folders, each once and first', () => {
    const archive = packCpio([
      { path: '/etc/a/one', content: 'x' },
      { path: 'etc/a/two', content: 'héllo', mode: 0o600 },
      { path: '/top', content: Buffer.from('12345') },
    ]);
    expect(unpack(archive)).toEqual([
      { path: 'etc', mode: 0o040755, content: '', links: 2 },
      { path: 'etc/a', mode: 0o040755, content: '', links: 2 },
      { path: 'etc/a/one', mode: 0o100644, content: 'x', links: 1 },
      { path: 'etc/a/two', mode: 0o100600, content: 'héllo', links: 1 },
      { path: 'top', mode: 0o100644, content: '12345', links: 1 },
    ]);
  });

  it('fills up to a multiple of 512, so that another archive can follow', () => {
    expect(packCpio([{ path: 'a', content: 'b' }]).length % 512).toBe(0);
  });

  it('is the same for the same input', () => {
    const files = [{ path: 'a/b', content: 'c' }];
    expect(packCpio(files).equals(packCpio(files))).toBe(true);
  });

  it.each(['', '/', 'a/../b', './a'])('refuses the path "%s"', (path) => {
    expect(() => packCpio([{ path, content: '' }])).toThrow(RangeError);
  });
});
