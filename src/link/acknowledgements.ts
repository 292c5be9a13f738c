/** When L1 is told how much of a VM's output has come: it keeps what is not acknowledged. */
import type { StreamPort, Vm } from './vm-stream.js';

/** Output is acknowledged after this time at the latest, or after so many bytes. */
const ACK_DELAY_MS = 50;
const ACK_BYTES = 4096;

export class Acknowledgements {
  readonly #port: StreamPort;
  readonly #vms: () => Iterable<Vm>;
  #timer: NodeJS.Timeout | undefined;

  /** @param vms all that have a slot now */
  constructor(port: StreamPort, vms: () => Iterable<Vm>) {
    this.#port = port;
    this.#vms = vms;
  }

  /** So many more bytes have come. */
  received(vm: Vm, bytes: number): void {
    vm.unacknowledged += bytes;
    const many = Math.min(ACK_BYTES, this.#port.hello().outRing / 4);
    if (vm.unacknowledged >= many) this.now(vm, false);
    else this.soon(vm);
  }

  soon(vm: Vm): void {
    vm.acknowledgementDue = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, ACK_DELAY_MS);
  }

  /** @param resend whether L1 is to send again what follows */
  now(vm: Vm, resend: boolean): void {
    vm.unacknowledged = 0;
    // Acknowledgements are cumulative: while QEMU does not read, the latest one can wait.
    vm.acknowledgementDue = this.#port.congested();
    if (vm.acknowledgementDue) return;
    const { slot, generation } = vm.record;
    this.#port.send({ type: 'outputAck', slot, generation, next: vm.receiver.next, resend });
  }

  /** All that are due. */
  flush(): void {
    for (const vm of this.#vms()) if (vm.acknowledgementDue) this.now(vm, false);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
