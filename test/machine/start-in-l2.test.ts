import { describe, expect, it } from 'vitest';

import { configSchema, type Config } from '../../src/config/schema.js';
import { saidIn, startedInTurn } from '../../src/machine/start-in-l2.js';

const named = [{ name: 'a', autostart: false }, { name: 'b' }, { name: 'c' }, { name: 'd' }];

function configOf(kind: Config['l2']['kind']): Config {
  const { vms = [], ...others } = configSchema.parse({ l2: { kind }, vms: named });
  return { ...others, vms };
}

describe('startedInTurn', () => {
  it('leaves all but the first for later where L2 is Xen', () => {
    expect([...startedInTurn(configOf('xen'))]).toEqual(['c', 'd']);
  });

  it('has all start with L2 where it is Linux with KVM', () => {
    expect([...startedInTurn(configOf('kvm'))]).toEqual([]);
  });
});

describe('saidIn', () => {
  it('has the lines, without what could drive a terminal', () => {
    const output = Buffer.from("qemu: could not open 'x'\r\n\n\x1b[2Jsecond\n");
    expect(saidIn(output)).toEqual(["qemu: could not open 'x'", '[2Jsecond']);
  });

  it('keeps a bound', () => {
    expect(saidIn(Buffer.alloc(10_000, 'x')).join('').length).toBe(4096);
  });
});
