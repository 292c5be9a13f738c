/** The console stream of one VM on a link, and whom its streams talk to. */
import type { HelloRecord, SlotAddress, ToL1, VmRecord, VmState } from './messages.js';
import { RetryDelay, type StreamReceiver, type StreamSender } from './stream.js';

export interface Vm {
  record: VmRecord;
  receiver: StreamReceiver;
  sender: StreamSender;
  readonly retry: RetryDelay;
  retryTimer: NodeJS.Timeout | undefined;
  /** Output bytes received since the last acknowledgement was sent. */
  unacknowledged: number;
  acknowledgementDue: boolean;
  /** Called when L1 has all that was written, or the VM is no longer there. */
  readonly onTaken: Set<(there: boolean) => void>;
  /** write() said false and 'drain' is owed. */
  high: boolean;
  /** L1 has said that it is gone, but not all that it printed has arrived yet. */
  leaving: VmRecord | undefined;
}

export function newVm(record: VmRecord, receiver: StreamReceiver, sender: StreamSender): Vm {
  return {
    record,
    receiver,
    sender,
    retry: new RetryDelay(),
    retryTimer: undefined,
    unacknowledged: 0,
    acknowledgementDue: false,
    onTaken: new Set(),
    high: false,
    leaving: undefined,
  };
}

/** Tells who waits for it whether L1 has all that was written; the VM is gone if not. */
export function tellTaken(vm: Vm, there: boolean): void {
  for (const done of vm.onTaken) done(there);
  vm.onTaken.clear();
}

/** The way to L1, and what L1 says of itself. */
export interface StreamPort {
  hello(): HelloRecord;
  closed(): boolean;
  /** QEMU does not read: what can wait shall wait. */
  congested(): boolean;
  send(message: ToL1): void;
  /** A message named a VM that is not known here: its own message may have been lost. */
  onUnknownVm(address: SlotAddress): void;
}

/** Called as the streams go; the same as the events of a link. */
export interface StreamListener {
  vm(vm: VmRecord, previous: VmState | undefined): void;
  data(slot: number, generation: number, bytes: Buffer): void;
  drain(slot: number, generation: number): void;
}

/** What the streams of a link before may hand over. */
export interface KeptStreams {
  readonly bootId: bigint;
  readonly vms: ReadonlyMap<number, Vm>;
}
