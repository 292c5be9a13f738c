import { expect, it } from 'vitest';

import { parseTrace } from '../../src/verify/trace.js';

const head = '# tracer: nop\n#\n';
const io = (what: string, port: string, value: string): string =>
  ` qemu-system-x86-310     [000] .....    91.2: kvm_pio: pio_${what} at 0x${port} size 1 count 1 val 0x${value} \n`;

it('parseTrace puts what was written to COM1 and read from it together again', () => {
  const text =
    head +
    io('write', '3f9', '2') +
    io('write', '3f8', '68') +
    io('read', '3fd', '60') +
    io('read', '3f8', '79') +
    io('write', '3f8', '69') +
    io('write', '2f8', '21') +
    io('write', '70', '8f');
  const traced = parseTrace(text);
  expect(traced.written.toString()).toBe('hi');
  expect(traced.read.toString()).toBe('y');
  expect(traced.others).toEqual({ 'write 0x3f9 0x2': 1, 'read 0x3fd 0x60': 1 });
});

it('parseTrace makes nothing out of an empty trace', () => {
  expect(parseTrace(head)).toEqual({
    written: Buffer.alloc(0),
    read: Buffer.alloc(0),
    others: {},
  });
});
