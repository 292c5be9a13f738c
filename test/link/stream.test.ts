import fc from 'fast-check';
import { expect, test } from 'vitest';

import { RetryDelay, StreamReceiver, StreamSender, type Segment } from '../../src/link/stream.js';

/** What a bad line may do to each message in turn. */
const fates = fc.array(fc.constantFrom('deliver', 'deliver', 'deliver', 'lose', 'repeat', 'swap'), {
  minLength: 1,
  maxLength: 60,
});

/**
 * Runs both ends over a bad line until all has arrived: messages are lost, repeated and swapped as the
 * fates say, then the line is good.
 */
function run(
  start: number,
  writes: readonly Buffer[],
  windows: readonly number[],
  fate: readonly string[],
) {
  const sender = new StreamSender(start);
  const receiver = new StreamReceiver(start);
  const received: Buffer[] = [];
  let turn = 0;
  const spoil = <Message>(messages: Message[]): Message[] => {
    const out: Message[] = [];
    for (const message of messages) {
      const what = fate[turn++] ?? 'deliver';
      if (what === 'lose') continue;
      if (what === 'swap') out.unshift(message);
      else out.push(message);
      if (what === 'repeat') out.push(message);
    }
    return out;
  };
  sender.acknowledge(start, 100);
  const total = writes.reduce((sum, bytes) => sum + bytes.length, 0);
  for (const bytes of writes) sender.write(bytes);
  let rounds = 0;
  for (; Buffer.concat(received).length < total || sender.buffered > 0; rounds++) {
    if (rounds > 5000) throw new Error('no progress');
    const segments: Segment[] = [];
    for (let next = sender.take(7); next !== undefined; next = sender.take(7)) segments.push(next);
    if (segments.length === 0) {
      // What the retry timer does.
      sender.goBack();
      segments.push(sender.take(7) ?? sender.probe());
    }
    const acknowledgements: { next: number; window: number }[] = [];
    for (const { offset, bytes } of spoil(
      segments.map((s) => ({ ...s, bytes: Buffer.from(s.bytes) })),
    )) {
      const result = receiver.receive(offset, bytes);
      if (result.kind === 'data') received.push(result.bytes);
      const window = (windows[turn % windows.length] ?? 0) + 1;
      acknowledgements.push({ next: receiver.next, window });
    }
    for (const { next, window } of spoil(acknowledgements)) sender.acknowledge(next, window);
  }
  return Buffer.concat(received);
}

test('go-back-N delivers each byte once and in order over a line that loses, repeats and swaps', () => {
  const start = fc.oneof(fc.constantFrom(0, 0xffff_fff0, 0x7fff_fffa), fc.nat(0xffff_ffff));
  const writes = fc.array(
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((a) => Buffer.from(a)),
    {
      maxLength: 10,
    },
  );
  const windows = fc.array(fc.nat(50), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(start, writes, windows, fates, (position, bytes, windowSizes, fate) => {
      expect(run(position, bytes, windowSizes, fate)).toEqual(Buffer.concat(bytes));
    }),
    { numRuns: 500 },
  );
});

test('StreamSender never sends beyond the window', () => {
  const sender = new StreamSender(10);
  sender.write(Buffer.alloc(100));
  expect(sender.take(50)).toBeUndefined();
  sender.acknowledge(10, 30);
  expect(sender.take(20)?.bytes.length).toBe(20);
  expect(sender.take(20)).toMatchObject({ offset: 30, bytes: Buffer.alloc(10) });
  expect(sender.take(20)).toBeUndefined();
  sender.acknowledge(40, 0);
  expect(sender.take(20)).toBeUndefined();
});

test('StreamSender ignores acknowledgements that are old or of bytes never sent', () => {
  const sender = new StreamSender(0xffff_fffe);
  sender.write(Buffer.from('abcd'));
  expect(sender.acknowledge(0xffff_fffe, 10)).toBe(true);
  expect(sender.take(4)?.bytes.toString()).toBe('abcd');
  expect(sender.acknowledge(3, 10)).toBe(false);
  expect(sender.acknowledge(0xffff_fffd, 10)).toBe(false);
  expect(sender.buffered).toBe(4);
  expect(sender.acknowledge(1, 10)).toBe(true);
  expect(sender.buffered).toBe(1);
});

test('StreamSender resumes only within what it still has', () => {
  const sender = new StreamSender(0);
  sender.write(Buffer.from('abcdef'));
  sender.acknowledge(0, 4);
  sender.take(4);
  expect(sender.resumeAt(5)).toBe(false);
  expect(sender.resumeAt(2)).toBe(true);
  expect(sender.take(10)).toBeUndefined();
  sender.acknowledge(2, 10);
  expect(sender.take(10)).toMatchObject({ offset: 2, bytes: Buffer.from('cdef') });
});

test('StreamReceiver reports a gap once, trims what it has, and says what is lost', () => {
  const receiver = new StreamReceiver(0xffff_fffe);
  expect(receiver.receive(5, Buffer.from('x'))).toEqual({ kind: 'gap', first: true });
  expect(receiver.receive(6, Buffer.from('x'))).toEqual({ kind: 'gap', first: false });
  expect(receiver.receive(0xffff_fffe, Buffer.from('abc'))).toMatchObject({ kind: 'data' });
  expect(receiver.next).toBe(1);
  expect(receiver.receive(0xffff_ffff, Buffer.from('bcde'))).toEqual({
    kind: 'data',
    bytes: Buffer.from('de'),
  });
  expect(receiver.receive(0, Buffer.from('cd'))).toEqual({ kind: 'duplicate' });
  expect(receiver.skipTo(13)).toBe(10);
  expect(receiver.skipTo(13)).toBe(0);
});

test('RetryDelay doubles from 0.5 s to 4 s and starts again after progress', () => {
  const delay = new RetryDelay();
  expect([1, 2, 3, 4, 5].map(() => delay.next())).toEqual([500, 1000, 2000, 4000, 4000]);
  delay.reset();
  expect(delay.next()).toBe(500);
});
