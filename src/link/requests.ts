/** Requests to the shadow hypervisor: each has a tag, by which its answer is known. */
import { VsbError } from '../base/errors.js';
import {
  requestTypeOf,
  type FromL1,
  type Request,
  type SlotAddress,
  type ToL1,
} from './messages.js';

/** How long a request may take. */
const REQUEST_TIMEOUT_MS = 5000;
/** Requests without an answer at one time. */
const MAX_PENDING = 256;

interface Pending {
  readonly request: Request;
  readonly timer: NodeJS.Timeout;
  resolve(values: readonly bigint[]): void;
  reject(error: Error): void;
}

type Answer = Extract<FromL1, { readonly type: 'counters' | 'result' }>;

export class Requests {
  readonly #send: (message: ToL1) => void;
  readonly #pending = new Map<number, Pending>();
  #nextTag = 1;
  #closed = false;

  constructor(send: (message: ToL1) => void) {
    this.#send = send;
  }

  /** @throws VsbError E_LINK_TIMEOUT, E_LINK_REFUSED, E_VM_GONE, E_LINK_CLOSED */
  request(address: SlotAddress, request: Request): Promise<readonly bigint[]> {
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

  /** @returns whether there was a request that this answers */
  answer(answer: Answer): boolean {
    const pending = this.#pending.get(answer.tag);
    if (pending === undefined || !settle(pending, answer)) return false;
    clearTimeout(pending.timer);
    this.#pending.delete(answer.tag);
    return true;
  }

  /** None that is pending will be answered. */
  rejectAll(reason: VsbError): void {
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(reason);
    }
    this.#pending.clear();
  }

  /** Nor any that is still to come. */
  close(): void {
    this.#closed = true;
    this.rejectAll(linkClosed());
  }
}

/** @returns whether the two belong together */
function settle(pending: Pending, answer: Answer): boolean {
  const { request } = pending;
  if (answer.type === 'counters') {
    if (request.type !== 'getCounters') return false;
    pending.resolve(answer.values);
    return true;
  }
  if (requestTypeOf(request) !== answer.requestType) return false;
  if (answer.status === 'ok') pending.resolve([]);
  else if (answer.status === 'no-such-vm') {
    pending.reject(noSuchVm(answer.slot, answer.generation));
  } else {
    const text = `the hypervisor refused '${request.type}': ${answer.status}`;
    pending.reject(new VsbError('E_LINK_REFUSED', text, { layer: 'L1' }));
  }
  return true;
}

export function linkClosed(): VsbError {
  return new VsbError('E_LINK_CLOSED', 'the link to the shadow hypervisor is closed', {
    layer: 'L1',
  });
}

export function noSuchVm(slot: number, generation: number): VsbError {
  const message = `the hypervisor has no user VM in slot ${slot}, generation ${generation}`;
  return new VsbError('E_VM_GONE', message, { layer: 'L1' });
}
