/** One user VM's serial port behind a FakeL1, from the VM's side. */
import { EventEmitter, once } from 'node:events';

import type { Request, VmRecord } from '../../src/link/messages.js';
import { RetryDelay, StreamReceiver, StreamSender } from '../../src/link/stream.js';
import type { FakeL1 } from './fake-l1.js';

/** A window for output that is never full. */
export const UNLIMITED = 0x4000_0000;

export class FakeVm extends EventEmitter<{ input: []; request: [Request] }> {
  record: VmRecord;
  /** All that the VM has read. */
  input: Buffer = Buffer.alloc(0);
  /** What it was asked to do, in order. */
  readonly requests: Request[] = [];
  /** Room for input, bytes; 0 while the VM does not read. */
  window = 4096;
  /** Called with each piece of input. */
  onInput: (bytes: Buffer) => void = () => {};
  readonly sender: StreamSender;
  readonly receiver: StreamReceiver;
  readonly retry = new RetryDelay();
  timer: NodeJS.Timeout | undefined;
  printed = 0;
  readonly #l1: FakeL1;

  constructor(l1: FakeL1, record: VmRecord) {
    super();
    this.#l1 = l1;
    this.record = record;
    this.sender = new StreamSender(record.outAcked);
    this.sender.acknowledge(record.outAcked, UNLIMITED);
    this.receiver = new StreamReceiver(record.inNext);
  }

  print(text: string | Buffer): void {
    const bytes = Buffer.from(text);
    this.printed += bytes.length;
    this.sender.write(bytes);
    this.#l1.pump(this);
  }

  /** Plays a program that answers with what was typed. */
  echo(): void {
    this.onInput = (bytes) =>
      this.print(Buffer.from(bytes.toString('latin1').replace(/\r/g, '\r\n')));
  }

  /** Opens or closes the input window and says so. */
  setWindow(window: number): void {
    this.window = window;
    this.#l1.acknowledge(this);
  }

  /** Changes the VM's record and reports it. */
  update(change: Partial<VmRecord>): void {
    const outEnd = (this.record.outAcked + this.printed) >>> 0;
    this.record = { ...this.record, outEnd, ...change };
    this.#l1.report(this);
    if (this.record.state === 'gone' && this.sender.buffered === 0) this.#l1.remove(this);
  }

  /** Resolves when the VM has read so much in all. */
  async inputReached(bytes: number): Promise<Buffer> {
    while (this.input.length < bytes) await once(this, 'input');
    return this.input;
  }

  /** Resolves with the first request of that type, which may be there already. */
  async requested<Type extends Request['type']>(
    type: Type,
    matches: (request: Extract<Request, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<Request, { type: Type }>> {
    for (let seen = 0; ;) {
      for (; seen < this.requests.length; seen++) {
        const request = this.requests[seen];
        if (request?.type !== type) continue;
        const typed = request as Extract<Request, { type: Type }>;
        if (matches(typed)) return typed;
      }
      await once(this, 'request');
    }
  }
}
