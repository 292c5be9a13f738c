/**
 * The link to the shadow hypervisor: one UNIX socket, which QEMU connects to a serial port that only
 * L1's hypervisor may touch. Here: who is there (HELLO, VM), the console streams of all VMs, and
 * requests with their answers.
 *
 * Like a Readable, a Link reads nothing between {@link Link.connect} and the first 'data' listener,
 * so that whoever attaches misses neither a VM nor a byte.
 */
import { EventEmitter } from 'node:events';
import { createConnection, type Socket } from 'node:net';

import { errnoOf, VsbError } from '../base/errors.js';
import { SlipDecoder } from '../formats/slip.js';
import { decodeFrame, encodeFrame, GLOBAL_SLOT, MAX_PAYLOAD } from './frame.js';
import {
  decodeFromL1,
  encodeToL1,
  globalCountersOf,
  MAX_DATA,
  PROTOCOL_VERSION,
  requestTypeOf,
  vmCountersOf,
  type FromL1,
  type GlobalCounters,
  type HelloRecord,
  type HltPolicy,
  type IrqMode,
  type Request,
  type SlotAddress,
  type ToL1,
  type VmCounters,
  type VmRecord,
  type VmState,
} from './messages.js';
import { distance, RetryDelay, StreamReceiver, StreamSender } from './stream.js';

/** Pause between two HELLOs while L1 does not answer: it may still be booting. */
const HELLO_INTERVAL_MS = 1000;
/** How long a request may take. */
const REQUEST_TIMEOUT_MS = 5000;
/** Output is acknowledged after this time at the latest, or after so many bytes. */
const ACK_DELAY_MS = 50;
const ACK_BYTES = 4096;
/** Input kept for one VM: write() says "enough" at the first figure and refuses beyond the second. */
const INPUT_HIGH = 16 * 1024;
const INPUT_LIMIT = 256 * 1024;
/** Unsent bytes in the socket at which this side stops adding data: QEMU does not read. */
const SOCKET_HIGH = 64 * 1024;
/** Requests without an answer at one time. */
const MAX_PENDING = 256;

export interface LinkEvents {
  /** A VM appeared (no previous state), or its state, label, domain or hook changed. */
  vm: [vm: VmRecord, previous: VmState | undefined];
  /** Console output, each byte once and in order. */
  data: [slot: number, generation: number, bytes: Buffer];
  /** The level that the interrupt server in L2 is to bring the line of the VM's IRQ 4 to. */
  line: [vm: VmRecord, high: boolean];
  /** write() said false and takes more now. */
  drain: [slot: number, generation: number];
  /** L1 has rebooted: all VMs, streams and pending requests are void. */
  resync: [hello: HelloRecord];
  error: [error: Error];
  close: [];
}

export interface LinkOptions {
  signal: AbortSignal;
  /** Until L1's HELLO must have come, milliseconds. */
  timeoutMs: number;
  /**
   * The closed link before this one. If L1 is still the same boot, the streams go on where they were:
   * nothing is delivered twice, and input that had not arrived is sent again.
   */
  resume?: Link;
}

/** What this side counted since the link was made. */
export interface LinkStats {
  framesIn: number;
  framesOut: number;
  badCrc: number;
  oversize: number;
  badEscape: number;
  /** Frames with a good checksum and a type or a body that makes no sense. */
  unknown: number;
  /** Messages for a VM that is not there (any more). */
  stale: number;
  /** Places where output was missing and was asked for again. */
  gaps: number;
  /** Output that came twice. */
  duplicates: number;
  /** Times that input was sent again. */
  resends: number;
  /** Output bytes that L1 no longer had. */
  lostBytes: number;
}

interface Vm {
  record: VmRecord;
  receiver: StreamReceiver;
  sender: StreamSender;
  readonly retry: RetryDelay;
  retryTimer: NodeJS.Timeout | undefined;
  /** Output bytes received since the last acknowledgement was sent. */
  unacknowledged: number;
  acknowledgementDue: boolean;
  /** write() said false and 'drain' is owed. */
  high: boolean;
  /** L1 has said that it is gone, but not all that it printed has arrived yet. */
  leaving: VmRecord | undefined;
}

interface Pending {
  readonly request: Request;
  readonly timer: NodeJS.Timeout;
  resolve(values: readonly bigint[]): void;
  reject(error: Error): void;
}

export class Link extends EventEmitter<LinkEvents> {
  readonly #socket: Socket;
  readonly #decoder = new SlipDecoder(MAX_PAYLOAD, (payload) => this.#onPayload(payload));
  readonly #vms = new Map<number, Vm>();
  /** Who was last seen going, by slot, and where its output ended: late messages of it are no surprise. */
  readonly #retired = new Map<number, { readonly generation: number; readonly outEnd: number }>();
  readonly #pending = new Map<number, Pending>();
  /** The streams of the link before this one. */
  readonly #kept: { readonly bootId: bigint; readonly vms: ReadonlyMap<number, Vm> } | undefined;
  readonly #stats = {
    framesIn: 0,
    framesOut: 0,
    badCrc: 0,
    unknown: 0,
    stale: 0,
    gaps: 0,
    duplicates: 0,
    resends: 0,
    lostBytes: 0,
  };
  #hello: HelloRecord | undefined;
  #onFirstHello: ((hello: HelloRecord) => void) | undefined;
  /** Messages that came in the same chunk as the first HELLO, before anyone listens. */
  #held: FromL1[] | undefined = [];
  #paused = false;
  #closed = false;
  #nextTag = 1;
  #ackTimer: NodeJS.Timeout | undefined;
  #helloTimer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, predecessor: Link | undefined) {
    super();
    this.#socket = socket;
    if (predecessor !== undefined) {
      this.#kept = { bootId: predecessor.hello.bootId, vms: predecessor.#vms };
    }
    socket.on('data', (chunk) => this.#decoder.push(chunk));
    socket.on('drain', () => this.#onSocketDrain());
    socket.on('error', (error) => {
      if (this.listenerCount('error') > 0) this.emit('error', error);
    });
    socket.on('close', () => this.#onClose());
    (this as EventEmitter).on('newListener', (event) => {
      if (event === 'data') queueMicrotask(() => this.#flow());
    });
  }

  /**
   * Connects to QEMU's end of the serial port and waits for L1's HELLO, repeating ours every second.
   * @throws VsbError E_LINK_CONNECT (no socket, refused, cut), E_LINK_VERSION, E_LINK_TIMEOUT;
   *   the signal's reason when it is aborted
   */
  static async connect(socketPath: string, options: LinkOptions): Promise<Link> {
    const { signal, timeoutMs, resume } = options;
    signal.throwIfAborted();
    const socket = createConnection({ path: socketPath });
    let onAbort: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Link>((resolve, reject) => {
        onAbort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', onAbort, { once: true });
        timer = setTimeout(() => {
          const message = `the shadow hypervisor did not answer on the link within ${timeoutMs / 1000} s`;
          reject(new VsbError('E_LINK_TIMEOUT', message, { layer: 'L1' }));
        }, timeoutMs);
        const onLost = (cause?: Error): void => {
          const reason = errnoOf(cause) ?? 'closed by the other side';
          const message = `cannot connect to the link's socket ${socketPath}: ${reason}`;
          reject(new VsbError('E_LINK_CONNECT', message, { layer: 'L0', cause }));
        };
        socket.once('error', onLost);
        socket.once('close', () => onLost());
        socket.once('connect', () => {
          const link = new Link(socket, resume);
          link.#awaitHello((hello) => {
            if (hello.version === PROTOCOL_VERSION) return resolve(link);
            const message = `the hypervisor speaks version ${hello.version} of the link, this program version ${PROTOCOL_VERSION}`;
            const hint = 'build the images again with the same release as the program';
            reject(new VsbError('E_LINK_VERSION', message, { layer: 'L1', hint }));
          });
        });
      });
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    }
  }

  /** What L1 last said about itself. */
  get hello(): HelloRecord {
    if (this.#hello === undefined) throw new Error('a connected link has had its HELLO');
    return this.#hello;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** All VMs that have a slot now. */
  vms(): VmRecord[] {
    return [...this.#vms.values()].map((vm) => vm.record);
  }

  stats(): LinkStats {
    const { oversize, badEscape } = this.#decoder.counters;
    return { ...this.#stats, oversize, badEscape };
  }

  /**
   * Input for a VM's console.
   * @returns false when enough is buffered (the bytes are taken all the same): wait for 'drain'
   * @throws VsbError E_VM_GONE, E_LINK_CLOSED; RangeError when the caller ignores false for too long
   */
  write(slot: number, generation: number, bytes: Buffer): boolean {
    if (this.#closed) throw linkClosed();
    const vm = this.#vmOf({ slot, generation });
    if (vm === undefined) throw noSuchVm(slot, generation);
    if (vm.sender.buffered + bytes.length > INPUT_LIMIT) {
      throw new RangeError(`more than ${INPUT_LIMIT} bytes of input written without waiting`);
    }
    vm.sender.write(bytes);
    this.#pump(vm);
    vm.high = vm.sender.buffered >= INPUT_HIGH;
    return !vm.high;
  }

  /** Shadows the VM's COM1, or leaves it to the virtualized system. */
  async setHook(slot: number, generation: number, on: boolean): Promise<void> {
    await this.#request({ slot, generation }, { type: 'hook', on });
  }

  /** When HLTs of a VM are captured; {@link GLOBAL_SLOT} with generation 0 sets all and the default. */
  async setHltPolicy(slot: number, generation: number, policy: HltPolicy): Promise<void> {
    await this.#request({ slot, generation }, { type: 'hltPolicy', policy });
  }

  /** How L2 is made to raise IRQ 4 of any VM. */
  async setIrqMode(mode: IrqMode): Promise<void> {
    await this.#request({ slot: GLOBAL_SLOT, generation: 0 }, { type: 'irqMode', mode });
  }

  /**
   * From the answer on L1 runs no guest on the CPU that serves the link, until it is asked for 0 ms, or the time is over.
   * @param milliseconds of L1's clock, at most 1000
   */
  async hold(milliseconds: number): Promise<void> {
    await this.#request({ slot: GLOBAL_SLOT, generation: 0 }, { type: 'hold', milliseconds });
  }

  /** A BREAK condition on the VM's receive line. */
  async sendBreak(slot: number, generation: number): Promise<void> {
    await this.#request({ slot, generation }, { type: 'break' });
  }

  /** Tells L1 how many console sessions (0..65535) the VM has: somebody may type. */
  async setAttached(slot: number, generation: number, sessions: number): Promise<void> {
    await this.#request({ slot, generation }, { type: 'attached', sessions });
  }

  /** Frees the slot of a silent VM. */
  async forget(slot: number, generation: number): Promise<void> {
    await this.#request({ slot, generation }, { type: 'forget' });
  }

  async vmCounters(slot: number, generation: number): Promise<VmCounters> {
    return vmCountersOf(await this.#request({ slot, generation }, { type: 'getCounters' }));
  }

  async globalCounters(): Promise<GlobalCounters> {
    const address = { slot: GLOBAL_SLOT, generation: 0 };
    return globalCountersOf(await this.#request(address, { type: 'getCounters' }));
  }

  /** Stops reading: the socket fills up, L1 holds its VMs' transmitters back, nothing is lost. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#held === undefined) this.#socket.resume();
  }

  /** Cuts the connection; pending requests are rejected, 'close' follows. */
  close(): void {
    this.#socket.destroy();
  }

  #awaitHello(onHello: (hello: HelloRecord) => void): void {
    this.#onFirstHello = onHello;
    const hello = (): void => this.#send({ type: 'hello', version: PROTOCOL_VERSION });
    this.#helloTimer = setInterval(hello, HELLO_INTERVAL_MS);
    hello();
  }

  /** Somebody listens now: deliver what was held and read on. */
  #flow(): void {
    const held = this.#held;
    if (held === undefined || this.#hello === undefined) return;
    this.#held = undefined;
    for (const message of held) this.#onMessage(message);
    if (!this.#paused) this.#socket.resume();
  }

  #onPayload(payload: Buffer): void {
    const frame = decodeFrame(payload);
    if (frame === undefined) {
      this.#stats.badCrc++;
      return;
    }
    this.#stats.framesIn++;
    const message = decodeFromL1(frame);
    if (message === undefined) this.#stats.unknown++;
    else if (this.#hello !== undefined && this.#held !== undefined) this.#held.push(message);
    else this.#onMessage(message);
  }

  #onMessage(message: FromL1): void {
    switch (message.type) {
      case 'hello':
        return this.#onHello(message.hello);
      case 'vm':
        return this.#onVm(message.vm);
      case 'output':
        return this.#onOutput(message, message.offset, message.bytes);
      case 'inputAck':
        return this.#onInputAck(message, message.next, message.window);
      case 'line':
        return this.#onLine(message, message.high);
      case 'counters':
        return this.#answer(message.tag, (pending) => {
          if (pending.request.type !== 'getCounters') return false;
          pending.resolve(message.values);
          return true;
        });
      case 'result':
        return this.#answer(message.tag, (pending) => {
          if (requestTypeOf(pending.request) !== message.requestType) return false;
          if (message.status === 'ok') pending.resolve([]);
          else if (message.status === 'no-such-vm') {
            pending.reject(noSuchVm(message.slot, message.generation));
          } else {
            const text = `the hypervisor refused '${pending.request.type}': ${message.status}`;
            pending.reject(new VsbError('E_LINK_REFUSED', text, { layer: 'L1' }));
          }
          return true;
        });
    }
  }

  #onLine(address: SlotAddress, high: boolean): void {
    const vm = this.#vmOf(address);
    if (vm === undefined) this.#onStale(address);
    else this.emit('line', vm.record, high);
  }

  #onHello(hello: HelloRecord): void {
    const previous = this.#hello;
    this.#hello = hello;
    if (previous === undefined) {
      clearInterval(this.#helloTimer);
      this.#helloTimer = undefined;
      this.#socket.pause();
      this.#onFirstHello?.(hello);
      this.#onFirstHello = undefined;
    } else if (previous.bootId !== hello.bootId) {
      this.#reset(
        new VsbError('E_LINK_CLOSED', 'the shadow hypervisor has restarted', { layer: 'L1' }),
      );
      this.emit('resync', hello);
    }
  }

  #onVm(record: VmRecord): void {
    const known = this.#vms.get(record.slot);
    if (known !== undefined && known.record.generation !== record.generation) {
      // Its own last message was lost: the slot has another tenant already.
      this.#retire(known, { ...known.record, state: 'gone' });
    }
    const vm = this.#vmOf(record);
    if (record.state === 'gone') {
      this.#onGone(vm, record);
      return;
    }
    if (vm === undefined) {
      this.#vms.set(record.slot, this.#newVm(record));
      this.emit('vm', record, undefined);
      return;
    }
    const previous = vm.record;
    vm.record = record;
    this.#stats.lostBytes += vm.receiver.skipTo(record.outAcked);
    if (vm.sender.acknowledge(record.inNext)) this.#onInputProgress(vm);
    if (
      previous.state !== record.state ||
      previous.hooked !== record.hooked ||
      previous.uuid !== record.uuid ||
      previous.domid !== record.domid
    ) {
      this.emit('vm', record, previous.state);
    }
  }

  /**
   * L1 keeps a VM's last words until they are acknowledged, and its slot with them: first take all, also
   * of a VM that went before this program started.
   */
  #onGone(known: Vm | undefined, record: VmRecord): void {
    if (this.#isRetired(record)) return;
    const vm = known ?? this.#newVm({ ...record, state: 'silent' });
    vm.leaving = record;
    const complete = distance(vm.receiver.next, record.outEnd) <= 0;
    if (known === undefined) {
      if (complete) return;
      this.#vms.set(record.slot, vm);
      this.emit('vm', vm.record, undefined);
    }
    this.#acknowledge(vm, !complete);
    if (complete) this.#retire(vm, record);
  }

  #isRetired(address: SlotAddress): boolean {
    return this.#retired.get(address.slot)?.generation === address.generation;
  }

  #newVm(record: VmRecord): Vm {
    const same =
      this.#kept?.bootId === this.hello.bootId ? this.#kept?.vms.get(record.slot) : undefined;
    const kept = same?.record.generation === record.generation ? same : undefined;
    const receiver = kept?.receiver ?? new StreamReceiver(record.outAcked);
    this.#stats.lostBytes += receiver.skipTo(record.outAcked);
    const sender =
      kept?.sender.resumeAt(record.inNext) === true ? kept.sender : new StreamSender(record.inNext);
    const vm: Vm = {
      record,
      receiver,
      sender,
      retry: new RetryDelay(),
      retryTimer: undefined,
      unacknowledged: 0,
      acknowledgementDue: false,
      high: sender.buffered >= INPUT_HIGH,
      leaving: undefined,
    };
    this.#armRetry(vm);
    return vm;
  }

  #retire(vm: Vm, record: VmRecord): void {
    const previous = vm.record.state;
    clearTimeout(vm.retryTimer);
    this.#vms.delete(record.slot);
    this.#retired.set(record.slot, { generation: record.generation, outEnd: vm.receiver.next });
    this.emit('vm', record, previous);
  }

  #onOutput(address: SlotAddress, offset: number, bytes: Buffer): void {
    const vm = this.#vmOf(address);
    if (vm === undefined) {
      const retired = this.#retired.get(address.slot);
      if (retired?.generation === address.generation) {
        // The last acknowledgement was lost, and L1 keeps the slot until it has one.
        const { slot, generation } = address;
        const next = retired.outEnd;
        this.#send({ type: 'outputAck', slot, generation, next, resend: false });
      }
      return this.#onStale(address);
    }
    const received = vm.receiver.receive(offset, bytes);
    switch (received.kind) {
      case 'data':
        vm.unacknowledged += received.bytes.length;
        if (vm.unacknowledged >= Math.min(ACK_BYTES, this.hello.outRing / 4)) {
          this.#acknowledge(vm, false);
        } else this.#acknowledgeSoon(vm);
        this.emit('data', address.slot, address.generation, received.bytes);
        if (vm.leaving !== undefined) this.#onGone(vm, vm.leaving);
        break;
      case 'duplicate':
        this.#stats.duplicates++;
        this.#acknowledgeSoon(vm);
        break;
      case 'gap':
        if (!received.first) break;
        this.#stats.gaps++;
        this.#acknowledge(vm, true);
        break;
    }
  }

  /** A message for a VM unknown here: if it is not just late, its VM message was lost, so ask again. */
  #onStale(address: SlotAddress): void {
    this.#stats.stale++;
    if (this.#isRetired(address)) return;
    if (this.#helloTimer !== undefined) return;
    this.#helloTimer = setTimeout(() => {
      this.#helloTimer = undefined;
      if (this.#vmOf(address) === undefined) {
        this.#send({ type: 'hello', version: PROTOCOL_VERSION });
      }
    }, HELLO_INTERVAL_MS);
  }

  #acknowledgeSoon(vm: Vm): void {
    vm.acknowledgementDue = true;
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined;
      this.#flushAcknowledgements();
    }, ACK_DELAY_MS);
  }

  #flushAcknowledgements(): void {
    for (const vm of this.#vms.values()) if (vm.acknowledgementDue) this.#acknowledge(vm, false);
  }

  #acknowledge(vm: Vm, resend: boolean): void {
    vm.unacknowledged = 0;
    // Acknowledgements are cumulative: while QEMU does not read, the latest one can wait.
    vm.acknowledgementDue = this.#congested();
    if (vm.acknowledgementDue) return;
    const { slot, generation } = vm.record;
    this.#send({ type: 'outputAck', slot, generation, next: vm.receiver.next, resend });
  }

  #onInputAck(address: SlotAddress, next: number, window: number): void {
    const vm = this.#vmOf(address);
    if (vm === undefined) this.#onStale(address);
    else if (vm.sender.acknowledge(next, window)) this.#onInputProgress(vm);
  }

  #onInputProgress(vm: Vm): void {
    vm.retry.reset();
    clearTimeout(vm.retryTimer);
    vm.retryTimer = undefined;
    this.#pump(vm);
    if (vm.high && vm.sender.buffered < INPUT_HIGH / 2) {
      vm.high = false;
      this.emit('drain', vm.record.slot, vm.record.generation);
    }
  }

  /** Sends what the window allows. */
  #pump(vm: Vm): void {
    const { slot, generation } = vm.record;
    while (!this.#congested()) {
      const segment = vm.sender.take(MAX_DATA);
      if (segment === undefined) break;
      this.#send({ type: 'input', slot, generation, ...segment });
    }
    this.#armRetry(vm);
  }

  #armRetry(vm: Vm): void {
    if (vm.sender.buffered === 0 || this.#closed) return;
    vm.retryTimer ??= setTimeout(() => {
      vm.retryTimer = undefined;
      this.#retry(vm);
    }, vm.retry.next());
  }

  /** Nothing was acknowledged for a while: send again, or ask for the window if that is what is missing. */
  #retry(vm: Vm): void {
    if (vm.sender.inFlight) this.#stats.resends++;
    vm.sender.goBack();
    const { slot, generation } = vm.record;
    if (!this.#congested()) {
      const segment = vm.sender.take(MAX_DATA) ?? vm.sender.probe();
      this.#send({ type: 'input', slot, generation, ...segment });
    }
    this.#pump(vm);
  }

  #vmOf(address: SlotAddress): Vm | undefined {
    const vm = this.#vms.get(address.slot);
    return vm?.record.generation === address.generation ? vm : undefined;
  }

  #request(address: SlotAddress, request: Request): Promise<readonly bigint[]> {
    if (this.#closed) return Promise.reject(linkClosed());
    if (this.#pending.size >= MAX_PENDING) {
      const message = `${MAX_PENDING} requests to the hypervisor are without an answer`;
      return Promise.reject(new VsbError('E_LINK_REFUSED', message, { layer: 'L1' }));
    }
    while (this.#pending.has(this.#nextTag)) this.#nextTag = (this.#nextTag + 1) & 0xffff;
    const tag = this.#nextTag;
    this.#nextTag = (tag + 1) & 0xffff;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(tag);
        const seconds = REQUEST_TIMEOUT_MS / 1000;
        const message = `the hypervisor did not answer '${request.type}' within ${seconds} s`;
        reject(new VsbError('E_LINK_TIMEOUT', message, { layer: 'L1' }));
      }, REQUEST_TIMEOUT_MS);
      this.#pending.set(tag, { request, timer, resolve, reject });
      this.#send({ ...request, ...address, tag });
    });
  }

  /** Gives an answer to the request with that tag; `settle` says whether the two belong together. */
  #answer(tag: number, settle: (pending: Pending) => boolean): void {
    const pending = this.#pending.get(tag);
    if (pending === undefined || !settle(pending)) {
      this.#stats.unknown++;
      return;
    }
    clearTimeout(pending.timer);
    this.#pending.delete(tag);
  }

  #congested(): boolean {
    return this.#socket.writableLength > SOCKET_HIGH;
  }

  #onSocketDrain(): void {
    this.#flushAcknowledgements();
    for (const vm of this.#vms.values()) this.#pump(vm);
  }

  #send(message: ToL1): void {
    if (this.#closed || !this.#socket.writable) return;
    this.#stats.framesOut++;
    this.#socket.write(encodeFrame(encodeToL1(message)));
  }

  /** Forgets all VMs and requests, without a word to the listeners. */
  #reset(reason: VsbError): void {
    for (const vm of this.#vms.values()) clearTimeout(vm.retryTimer);
    this.#vms.clear();
    this.#retired.clear();
    this.#rejectAll(reason);
  }

  #rejectAll(reason: VsbError): void {
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(reason);
    }
    this.#pending.clear();
  }

  /** The VMs' streams stay as they were: the next link may resume them. */
  #onClose(): void {
    this.#closed = true;
    for (const vm of this.#vms.values()) clearTimeout(vm.retryTimer);
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#helloTimer);
    this.#rejectAll(linkClosed());
    this.emit('close');
  }
}

function linkClosed(): VsbError {
  return new VsbError('E_LINK_CLOSED', 'the link to the shadow hypervisor is closed', {
    layer: 'L1',
  });
}

function noSuchVm(slot: number, generation: number): VsbError {
  const message = `the hypervisor has no user VM in slot ${slot}, generation ${generation}`;
  return new VsbError('E_VM_GONE', message, { layer: 'L1' });
}
