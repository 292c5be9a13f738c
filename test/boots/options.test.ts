import { describe, expect, it } from 'vitest';

import { parseOptions } from '../../src/boots/options.js';

describe('parseOptions', () => {
  it('has defaults', () => {
    expect(parseOptions([])).toMatchObject({ count: 10, l2: 'kvm', loops: 0, up: [] });
  });

  it('takes a load, and passes on what `up` is to be told', () => {
    const words = ['--count', '3', '--l2', 'xen', '--load', '--', '--vms', '2'];
    expect(parseOptions(words)).toMatchObject({
      count: 3,
      l2: 'xen',
      loops: 1,
      up: ['--vms', '2'],
    });
    expect(parseOptions(['--loops', '2'])).toMatchObject({ loops: 2 });
  });

  it.each([
    ['--count', '0'],
    ['--count', 'many'],
    ['--l2', 'bhyve'],
    ['--loops', '-1'],
    ['--what'],
  ])('refuses %s %s', (...words) => {
    expect(() => parseOptions(words)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});
