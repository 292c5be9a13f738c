import { describe, expect, it } from 'vitest';

import { anatomyOf } from '../../../src/bench/anatomy/anatomy.js';
import { parseCounts } from '../../../src/bench/anatomy/exits.js';
import { kvmVsbypass } from '../../../src/bench/configurations/kvm-vsbypass.js';

describe('parseCounts', () => {
  it('reads what L2 has counted, and nothing else', () => {
    const counts = parseCounts('12 kvm_exit io\n3 kvm_pio\nmount: x\n7 kvm_exit hlt\n');
    expect([...counts]).toEqual([
      ['kvm_exit io', 12],
      ['kvm_pio at COM1', 3],
      ['kvm_exit hlt', 7],
    ]);
  });
});

describe('anatomyOf', () => {
  it('tells what the long script has more of, by layer, the most frequent first', () => {
    const short = new Map([
      ['L1 exitsCom1', 50],
      ['L1 rings', 4],
      ['kvm_exit hlt', 9],
    ]);
    const long = new Map([
      ['kvm_exit io', 5],
      ['L1 rings', 14],
      ['L1 exitsCom1', 150],
      ['kvm_exit hlt', 3],
    ]);
    const anatomy = anatomyOf({ configuration: kvmVsbypass }, 'key', 10, [short, long]);
    expect(anatomy).toEqual({
      ...{ configuration: 'kvm/vsbypass', per: 'key', units: 10 },
      events: [
        { layer: 'L1', event: 'exitsCom1', count: 100 },
        { layer: 'L1', event: 'rings', count: 10 },
        { layer: 'L2', event: 'kvm_exit io', count: 5 },
      ],
    });
  });
});
