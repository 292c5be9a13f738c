/**
 * The console streams of all VMs on one link: which VM has which slot, what of its output has come and is acknowledged,
 * and what of its input is still to be sent.
 */
import { abortable } from '../base/abortable.js';
import { Acknowledgements } from './acknowledgements.js';
import { MAX_DATA, type SlotAddress, type VmRecord } from './messages.js';
import type { FrameStats } from './stats.js';
import { distance, StreamReceiver, StreamSender } from './stream.js';
import {
  newVm,
  tellTaken,
  type KeptStreams,
  type StreamListener,
  type StreamPort,
  type Vm,
} from './vm-stream.js';

/** Input kept for one VM: write() says "enough" at the first figure and refuses beyond the second. */
const INPUT_HIGH = 16 * 1024;
const INPUT_LIMIT = 256 * 1024;

export class VmStreams {
  readonly #port: StreamPort;
  readonly #listener: StreamListener;
  readonly #stats: FrameStats;
  readonly #vms = new Map<number, Vm>();
  /** Who was last seen going, by slot, and where its output ended: late messages of it are no surprise. */
  readonly #retired = new Map<number, { readonly generation: number; readonly outEnd: number }>();
  readonly #kept: KeptStreams | undefined;
  readonly #acknowledgements: Acknowledgements;

  constructor(
    port: StreamPort,
    listener: StreamListener,
    stats: FrameStats,
    kept: KeptStreams | undefined,
  ) {
    this.#port = port;
    this.#listener = listener;
    this.#stats = stats;
    this.#kept = kept;
    this.#acknowledgements = new Acknowledgements(port, () => this.#vms.values());
  }

  /** All VMs that have a slot now. */
  records(): VmRecord[] {
    return [...this.#vms.values()].map((vm) => vm.record);
  }

  /** For the link after this one. */
  keep(): KeptStreams {
    return { bootId: this.#port.hello().bootId, vms: this.#vms };
  }

  recordOf(address: SlotAddress): VmRecord | undefined {
    return this.#vmOf(address)?.record;
  }

  /**
   * Input for a VM's console.
   * @returns false when enough is buffered; undefined when there is no such VM
   */
  write(address: SlotAddress, bytes: Buffer): boolean | undefined {
    const vm = this.#vmOf(address);
    if (vm === undefined) return undefined;
    if (vm.sender.buffered + bytes.length > INPUT_LIMIT) {
      throw new RangeError(`more than ${INPUT_LIMIT} bytes of input written without waiting`);
    }
    vm.sender.write(bytes);
    this.#pump(vm);
    vm.high = vm.sender.buffered >= INPUT_HIGH;
    return !vm.high;
  }

  /**
   * Waits until L1 has all that was written.
   * @returns whether it has; false when the VM, or the way to it, went meanwhile
   * @throws the signal's reason when it is aborted
   */
  async taken(address: SlotAddress, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const vm = this.#vmOf(address);
    if (vm === undefined) return false;
    if (vm.sender.buffered === 0) return true;
    return await abortable<boolean>(
      (resolve) => {
        vm.onTaken.add(resolve);
        return () => vm.onTaken.delete(resolve);
      },
      { signal },
    );
  }

  /** QEMU reads again. */
  goOn(): void {
    this.#acknowledgements.flush();
    for (const vm of this.#vms.values()) this.#pump(vm);
  }

  /** Forgets all VMs, without a word to the listener. */
  forgetAll(): void {
    this.#stopVms();
    this.#vms.clear();
    this.#retired.clear();
  }

  /** The streams stay as they were: the next link may resume them. */
  stop(): void {
    this.#stopVms();
    this.#acknowledgements.stop();
  }

  #stopVms(): void {
    for (const vm of this.#vms.values()) {
      clearTimeout(vm.retryTimer);
      tellTaken(vm, false);
    }
  }

  onVm(record: VmRecord): void {
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
      this.#listener.vm(record, undefined);
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
      previous.doubtful !== record.doubtful ||
      previous.grown !== record.grown ||
      previous.evidence.join() !== record.evidence.join() ||
      previous.domid !== record.domid
    ) {
      this.#listener.vm(record, previous.state);
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
      this.#listener.vm(vm.record, undefined);
    }
    this.#acknowledgements.now(vm, !complete);
    if (complete) this.#retire(vm, record);
  }

  #isRetired(address: SlotAddress): boolean {
    return this.#retired.get(address.slot)?.generation === address.generation;
  }

  #newVm(record: VmRecord): Vm {
    const same =
      this.#kept?.bootId === this.#port.hello().bootId
        ? this.#kept.vms.get(record.slot)
        : undefined;
    const kept = same?.record.generation === record.generation ? same : undefined;
    const receiver = kept?.receiver ?? new StreamReceiver(record.outAcked);
    this.#stats.lostBytes += receiver.skipTo(record.outAcked);
    const sender =
      kept?.sender.resumeAt(record.inNext) === true ? kept.sender : new StreamSender(record.inNext);
    const vm = newVm(record, receiver, sender);
    vm.high = sender.buffered >= INPUT_HIGH;
    this.#armRetry(vm);
    return vm;
  }

  #retire(vm: Vm, record: VmRecord): void {
    const previous = vm.record.state;
    clearTimeout(vm.retryTimer);
    tellTaken(vm, false);
    this.#vms.delete(record.slot);
    this.#retired.set(record.slot, { generation: record.generation, outEnd: vm.receiver.next });
    this.#listener.vm(record, previous);
  }

  onOutput(address: SlotAddress, offset: number, bytes: Buffer): void {
    const vm = this.#vmOf(address);
    if (vm === undefined) {
      const retired = this.#retired.get(address.slot);
      if (retired?.generation === address.generation) {
        // The last acknowledgement was lost, and L1 keeps the slot until it has one.
        const { slot, generation } = address;
        const next = retired.outEnd;
        this.#port.send({ type: 'outputAck', slot, generation, next, resend: false });
      }
      return this.onStale(address);
    }
    const received = vm.receiver.receive(offset, bytes);
    switch (received.kind) {
      case 'data':
        this.#acknowledgements.received(vm, received.bytes.length);
        this.#listener.data(address.slot, address.generation, received.bytes);
        if (vm.leaving !== undefined) this.#onGone(vm, vm.leaving);
        break;
      case 'duplicate':
        this.#stats.duplicates++;
        this.#acknowledgements.soon(vm);
        break;
      case 'gap':
        if (!received.first) break;
        this.#stats.gaps++;
        this.#acknowledgements.now(vm, true);
        break;
    }
  }

  onStale(address: SlotAddress): void {
    this.#stats.stale++;
    if (!this.#isRetired(address)) this.#port.onUnknownVm(address);
  }

  onInputAck(address: SlotAddress, next: number, window: number): void {
    const vm = this.#vmOf(address);
    if (vm === undefined) this.onStale(address);
    else if (vm.sender.acknowledge(next, window)) this.#onInputProgress(vm);
  }

  #onInputProgress(vm: Vm): void {
    vm.retry.reset();
    clearTimeout(vm.retryTimer);
    vm.retryTimer = undefined;
    this.#pump(vm);
    if (vm.sender.buffered === 0) tellTaken(vm, true);
    if (vm.high && vm.sender.buffered < INPUT_HIGH / 2) {
      vm.high = false;
      this.#listener.drain(vm.record.slot, vm.record.generation);
    }
  }

  /** Sends what the window allows. */
  #pump(vm: Vm): void {
    const { slot, generation } = vm.record;
    while (!this.#port.congested()) {
      const segment = vm.sender.take(MAX_DATA);
      if (segment === undefined) break;
      this.#port.send({ type: 'input', slot, generation, ...segment });
    }
    this.#armRetry(vm);
  }

  #armRetry(vm: Vm): void {
    if (vm.sender.buffered === 0 || this.#port.closed()) return;
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
    if (!this.#port.congested()) {
      const segment = vm.sender.take(MAX_DATA) ?? vm.sender.probe();
      this.#port.send({ type: 'input', slot, generation, ...segment });
    }
    this.#pump(vm);
  }

  #vmOf(address: SlotAddress): Vm | undefined {
    const vm = this.#vms.get(address.slot);
    return vm?.record.generation === address.generation ? vm : undefined;
  }
}
