/**
 * A stand-in for L1's hypervisor behind QEMU's serial chardev: speaks the link's protocol over a UNIX
 * socket, as the C side does, and lets a test play its VMs and spoil the line.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SlipDecoder } from '../../src/formats/slip.js';
import { decodeFrame, encodeFrame, GLOBAL_SLOT, MAX_PAYLOAD } from '../../src/link/frame.js';
import { encodeFromL1 } from '../../src/link/from-l1.js';
import {
  requestTypeOf,
  type FromL1,
  type HelloRecord,
  type Request,
  type ToL1,
  type VmRecord,
} from '../../src/link/messages.js';
import { decodeToL1 } from '../../src/link/to-l1.js';
import { FakeVm, UNLIMITED } from './fake-vm.js';

export class FakeL1 {
  readonly socketPath: string;
  hello: HelloRecord = {
    version: 1,
    slots: 16,
    outRing: 65536,
    inRing: 4096,
    bootId: 1n,
    xenVersion: '4.17-test',
  };
  /** Whether it has booted: else it is silent. */
  awake = true;
  answersRequests = true;
  /** May spoil, drop (return nothing) or repeat what goes out and what comes in. */
  spoilOut: (bytes: Buffer) => Buffer = (bytes) => bytes;
  spoilIn: (bytes: Buffer) => Buffer = (bytes) => bytes;
  hellos = 0;
  get slotsInUse(): number {
    return this.#vms.size;
  }
  /** Connections so far. */
  sockets = 0;
  badFrames = 0;
  /** For all VMs, or for L1 itself, in their order. */
  readonly requests: Request[] = [];
  readonly #directory: string;
  readonly #server: Server;
  readonly #vms = new Map<number, FakeVm>();
  #socket: Socket | undefined;

  private constructor(directory: string, socketPath: string) {
    this.#directory = directory;
    this.socketPath = socketPath;
    this.#server = createServer((socket) => this.#onConnection(socket));
  }

  /** @param socketPath where QEMU would listen; by default in a folder of its own */
  static async start(socketPath?: string): Promise<FakeL1> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-l1-'));
    const l1 = new FakeL1(directory, socketPath ?? join(directory, 'link.sock'));
    l1.#server.listen(l1.socketPath);
    await once(l1.#server, 'listening');
    return l1;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    for (const vm of this.#vms.values()) clearTimeout(vm.timer);
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** The connection breaks; another one may come. */
  cut(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  /** Bytes that are no frame of ours. */
  sendRaw(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  addVm(change: Partial<VmRecord> = {}): FakeVm {
    const vm = new FakeVm(this, {
      slot: 0,
      generation: 1,
      state: 'running',
      hooked: true,
      domid: 1,
      uuid: undefined,
      doubtful: false,
      grown: false,
      evidence: [],
      outAcked: 0,
      outEnd: 0,
      inNext: 0,
      ...change,
    });
    this.#vms.set(vm.record.slot, vm);
    this.report(vm);
    this.acknowledge(vm);
    return vm;
  }

  remove(vm: FakeVm): void {
    clearTimeout(vm.timer);
    this.#vms.delete(vm.record.slot);
  }

  /** L1 itself starts again: all is forgotten. */
  reboot(bootId: bigint): void {
    for (const vm of [...this.#vms.values()]) this.remove(vm);
    this.hello = { ...this.hello, bootId };
    this.send({ type: 'hello', hello: this.hello });
  }

  send(message: FromL1): void {
    if (this.#socket?.writable !== true) return;
    const bytes = this.spoilOut(encodeFrame(encodeFromL1(message)));
    if (bytes.length > 0) this.#socket.write(bytes);
  }

  report(vm: FakeVm): void {
    this.send({ type: 'vm', vm: vm.record });
  }

  acknowledge(vm: FakeVm): void {
    const { slot, generation } = vm.record;
    this.send({ type: 'inputAck', slot, generation, next: vm.receiver.next, window: vm.window });
  }

  pump(vm: FakeVm): void {
    const { slot, generation } = vm.record;
    for (;;) {
      const segment = vm.sender.take(248);
      if (segment === undefined) break;
      this.send({ type: 'output', slot, generation, ...segment });
    }
    if (vm.sender.buffered === 0 || this.#vms.get(slot) !== vm) return;
    vm.timer ??= setTimeout(() => {
      vm.timer = undefined;
      vm.sender.goBack();
      this.pump(vm);
    }, vm.retry.next());
  }

  #onConnection(socket: Socket): void {
    this.cut();
    this.#socket = socket;
    this.sockets++;
    const decoder = new SlipDecoder(MAX_PAYLOAD, (payload) => {
      const frame = decodeFrame(payload);
      const message = frame && decodeToL1(frame);
      if (message === undefined) this.badFrames++;
      else this.#onMessage(message);
    });
    socket.on('data', (chunk) => {
      if (this.awake) decoder.push(this.spoilIn(chunk));
    });
    socket.on('error', () => {});
  }

  #onMessage(message: ToL1): void {
    if (message.type === 'hello') {
      this.hellos++;
      this.send({ type: 'hello', hello: this.hello });
      for (const vm of this.#vms.values()) {
        const outEnd = (vm.sender.base + vm.sender.buffered) >>> 0;
        vm.record = { ...vm.record, inNext: vm.receiver.next, outAcked: vm.sender.base, outEnd };
        vm.printed = vm.sender.buffered;
        this.report(vm);
        this.acknowledge(vm);
        vm.sender.goBack();
        this.pump(vm);
      }
      return;
    }
    const vm = this.#vms.get(message.slot);
    const there = vm?.record.generation === message.generation ? vm : undefined;
    if (message.type === 'input') {
      if (there !== undefined) this.#onInput(there, message.offset, message.bytes);
    } else if (message.type === 'outputAck') {
      if (there === undefined) return;
      if (there.sender.acknowledge(message.next, UNLIMITED)) {
        there.retry.reset();
        clearTimeout(there.timer);
        there.timer = undefined;
      }
      if (message.resend) there.sender.goBack();
      this.pump(there);
      if (there.record.state === 'gone' && there.sender.buffered === 0) this.remove(there);
    } else {
      this.#onRequest(message, there);
    }
  }

  #onInput(vm: FakeVm, offset: number, bytes: Buffer): void {
    const fits = vm.window > 0;
    const received = fits ? vm.receiver.receive(offset, bytes) : undefined;
    if (received?.kind === 'data') {
      vm.input = Buffer.concat([vm.input, received.bytes]);
      vm.onInput(received.bytes);
      vm.emit('input');
    }
    this.acknowledge(vm);
  }

  #onRequest(
    message: Exclude<ToL1, { type: 'hello' | 'input' | 'outputAck' }>,
    vm: FakeVm | undefined,
  ): void {
    (vm ?? this).requests.push(message);
    vm?.emit('request', message);
    if (!this.answersRequests) return;
    const { slot, generation, tag } = message;
    const known = vm !== undefined || slot === GLOBAL_SLOT;
    if (message.type === 'getCounters' && known) {
      const values = Array.from({ length: slot === GLOBAL_SLOT ? 12 : 16 }, (_, i) =>
        BigInt(i + 1),
      );
      this.send({ type: 'counters', slot, generation, tag, values });
      return;
    }
    const status = known ? 'ok' : 'no-such-vm';
    this.send({
      type: 'result',
      slot,
      generation,
      tag,
      requestType: requestTypeOf(message),
      status,
    });
    if (message.type === 'forget' && vm !== undefined) vm.update({ state: 'gone' });
  }
}
