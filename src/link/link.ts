/**
 * The link to the shadow hypervisor: one UNIX socket, which QEMU connects to a serial port that only
 * L1's hypervisor may touch. Here: who is there (HELLO, VM), the console streams of all VMs, and
 * requests with their answers.
 *
 * Like a Readable, a Link reads nothing between {@link Link.connect} and the first 'data' listener,
 * so that whoever attaches misses neither a VM nor a byte.
 */
import type { EventEmitter } from 'node:events';
import { createConnection, type Socket } from 'node:net';

import { abortable } from '../base/abortable.js';
import { errnoOf, VsbError } from '../base/errors.js';
import { SlipDecoder } from '../formats/slip.js';
import { decodeFrame, encodeFrame, MAX_PAYLOAD } from './frame.js';
import { decodeFromL1 } from './from-l1.js';
import { Hypervisor } from './hypervisor.js';
import {
  PROTOCOL_VERSION,
  type FromL1,
  type HelloRecord,
  type Request,
  type SlotAddress,
  type ToL1,
  type VmRecord,
} from './messages.js';
import { linkClosed, noSuchVm, Requests } from './requests.js';
import { newFrameStats, type LinkStats } from './stats.js';
import type { StreamPort } from './vm-stream.js';
import { encodeToL1 } from './to-l1.js';
import { VmStreams } from './vm-streams.js';

/** Pause between two HELLOs while L1 does not answer: it may still be booting. */
const HELLO_INTERVAL_MS = 1000;
/** Unsent bytes in the socket at which this side stops adding data: QEMU does not read. */
const SOCKET_HIGH = 64 * 1024;

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

export class Link extends Hypervisor {
  readonly #socket: Socket;
  readonly #decoder = new SlipDecoder(MAX_PAYLOAD, (payload) => this.#onPayload(payload));
  readonly #requests = new Requests((message) => this.#send(message));
  readonly #streams: VmStreams;
  readonly #stats = newFrameStats();
  #hello: HelloRecord | undefined;
  #onFirstHello: ((hello: HelloRecord) => void) | undefined;
  /** Messages that came in the same chunk as the first HELLO, before anyone listens. */
  #held: FromL1[] | undefined = [];
  #paused = false;
  #closed = false;
  #helloTimer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, predecessor: Link | undefined) {
    super();
    this.#socket = socket;
    this.#streams = new VmStreams(
      this.#port(),
      {
        vm: (vm, previous) => this.emit('vm', vm, previous),
        data: (slot, generation, bytes) => this.emit('data', slot, generation, bytes),
        drain: (slot, generation) => this.emit('drain', slot, generation),
      },
      this.#stats,
      predecessor === undefined ? undefined : predecessor.#streams.keep(),
    );
    socket.on('data', (chunk) => this.#decoder.push(chunk));
    socket.on('drain', () => this.#streams.goOn());
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
    const late = (): VsbError => {
      const message = `the shadow hypervisor did not answer on the link within ${timeoutMs / 1000} s`;
      return new VsbError('E_LINK_TIMEOUT', message, { layer: 'L1' });
    };
    try {
      return await abortable<Link>(
        (resolve, reject) => {
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
          return undefined;
        },
        { signal, timeoutMs, late },
      );
    } catch (error) {
      socket.destroy();
      throw error;
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
    return this.#streams.records();
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
    const more = this.#streams.write({ slot, generation }, bytes);
    if (more === undefined) throw noSuchVm(slot, generation);
    return more;
  }

  override async sendBreak(slot: number, generation: number, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw linkClosed();
    const address = { slot, generation };
    if (!(await this.#streams.taken(address, signal))) {
      throw this.#closed ? linkClosed() : noSuchVm(slot, generation);
    }
    await this.request(address, { type: 'break' });
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

  protected async request(address: SlotAddress, request: Request): Promise<readonly bigint[]> {
    return await this.#requests.request(address, request);
  }

  #port(): StreamPort {
    return {
      hello: () => this.hello,
      closed: () => this.#closed,
      congested: () => this.#socket.writableLength > SOCKET_HIGH,
      send: (message) => this.#send(message),
      onUnknownVm: (address) => this.#askAgain(address),
    };
  }

  /** A message for a VM unknown here: if it is not just late, its VM message was lost. */
  #askAgain(address: SlotAddress): void {
    if (this.#helloTimer !== undefined) return;
    this.#helloTimer = setTimeout(() => {
      this.#helloTimer = undefined;
      if (this.#streams.recordOf(address) === undefined) {
        this.#send({ type: 'hello', version: PROTOCOL_VERSION });
      }
    }, HELLO_INTERVAL_MS);
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
        return this.#streams.onVm(message.vm);
      case 'output':
        return this.#streams.onOutput(message, message.offset, message.bytes);
      case 'inputAck':
        return this.#streams.onInputAck(message, message.next, message.window);
      case 'line':
        return this.#onLine(message, message.high);
      case 'counters':
      case 'result':
        if (!this.#requests.answer(message)) this.#stats.unknown++;
    }
  }

  #onLine(address: SlotAddress, high: boolean): void {
    const vm = this.#streams.recordOf(address);
    if (vm === undefined) this.#streams.onStale(address);
    else this.emit('line', vm, high);
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
      this.#streams.forgetAll();
      this.#requests.rejectAll(
        new VsbError('E_LINK_CLOSED', 'the shadow hypervisor has restarted', { layer: 'L1' }),
      );
      this.emit('resync', hello);
    }
  }

  #send(message: ToL1): void {
    if (this.#closed || !this.#socket.writable) return;
    this.#stats.framesOut++;
    this.#socket.write(encodeFrame(encodeToL1(message)));
  }

  #onClose(): void {
    this.#closed = true;
    this.#streams.stop();
    clearTimeout(this.#helloTimer);
    this.#requests.close();
    this.emit('close');
  }
}
