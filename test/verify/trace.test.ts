import { expect, it } from 'vitest';

import { parseKvmTrace } from '../../src/verify/kvm-trace.js';
import { parseXenTrace } from '../../src/verify/xen-trace.js';

const head = '# tracer: nop\n#\n';
const io = (what: string, port: string, value: string): string =>
  ` qemu-system-x86-310     [000] .....    91.2: kvm_pio: pio_${what} at 0x${port} size 1 count 1 val 0x${value} \n`;

it('parseKvmTrace puts what was written to COM1 and read from it together again', () => {
  const text =
    head +
    io('write', '3f9', '2') +
    io('write', '3f8', '68') +
    io('read', '3fd', '60') +
    io('read', '3f8', '79') +
    io('write', '3f8', '69') +
    io('write', '2f8', '21') +
    io('write', '70', '8f');
  const traced = parseKvmTrace(text);
  expect(traced.written.toString()).toBe('hi');
  expect(traced.read.toString()).toBe('y');
  expect(traced.others).toEqual({ 'write 0x3f9 0x2': 1, 'read 0x3fd 0x60': 1 });
});

it('parseKvmTrace makes nothing out of an empty trace', () => {
  expect(parseKvmTrace(head)).toEqual({
    written: Buffer.alloc(0),
    read: Buffer.alloc(0),
    others: {},
  });
});

/** One record of Xen's trace buffers. */
function record(event: number, extra: readonly number[], stamped = false): Buffer {
  const words = [
    (event | (extra.length << 28) | (stamped ? 1 << 31 : 0)) >>> 0,
    ...(stamped ? [0x1234, 0x5678] : []),
    ...extra,
  ];
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => bytes.writeUInt32LE(word, index * 4));
  return bytes;
}
const read = 0x82016;
const write = 0x82216;

it('parseXenTrace puts what was written to COM1 and read from it together again', () => {
  const traced = parseXenTrace(
    Buffer.concat([
      record(0x1f003, [0, 4096]),
      record(write, [0x3f9, 2]),
      record(write, [0x3f8, 0x68], true),
      record(0x82009, [0, 0x10], true),
      record(read, [0x3fd, 0x60]),
      record(read, [0x3f8, 0x79]),
      record(write, [0x3f8, 0x69]),
      record(write, [0x70, 0x8f]),
      // The access to memory that a pointer names has no value.
      record(write, [0x3f8]),
    ]),
  );
  expect(traced.written.toString()).toBe('hi');
  expect(traced.read.toString()).toBe('y');
  expect(traced.others).toEqual({ 'write 0x3f9 0x2': 1, 'read 0x3fd 0x60': 1 });
});

it('parseXenTrace ends at a record that was cut, and refuses a trace with gaps', () => {
  const whole = record(write, [0x3f8, 0x68]);
  expect(parseXenTrace(Buffer.concat([whole, whole.subarray(0, 9)])).written).toHaveLength(1);
  expect(() => parseXenTrace(record(0x1f001, [1, 2, 3, 4]))).toThrow(/dropped/);
});
