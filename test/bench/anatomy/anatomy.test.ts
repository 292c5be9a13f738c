import { describe, expect, it } from 'vitest';

import { anatomyOf } from '../../../src/bench/anatomy/anatomy.js';
import { parseCounts } from '../../../src/bench/anatomy/kvm-exits.js';
import { countRecords } from '../../../src/bench/anatomy/xen-exits.js';
import { vsbypass } from '../../../src/bench/configurations/vsbypass.js';

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

describe('countRecords', () => {
  /** Events with their extra words, as Xen's trace buffers have them. */
  const trace = (...records: readonly (readonly [event: number, ...words: number[]])[]): Buffer =>
    Buffer.concat(
      records.map(([event, ...words]) =>
        Buffer.from(Uint32Array.from([event | (words.length << 28), ...words]).buffer),
      ),
    );

  it('counts exits by reason, interrupts, and accesses to COM1 alone', () => {
    const counts = countRecords(
      trace(
        [0x81102, 0x7b, 0x1000, 0],
        [0x82216, 0x3f8, 0x41],
        [0x81102, 0x7b, 0x1000, 0],
        [0x82216, 0x2f8, 0x41],
        [0x81002, 0x78, 0x1000],
        [0x81102, 0x8e, 0x1000, 0],
        [0x82004, 0x30, 0],
      ),
    );
    expect([...counts]).toEqual([
      ['vmexit io', 2],
      ['port of COM1 to the device model', 1],
      ['vmexit hlt', 1],
      ['vmexit 0x8e', 1],
      ['interrupt injected', 1],
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
    const anatomy = anatomyOf({ configuration: vsbypass('kvm') }, 'key', 10, [short, long]);
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
