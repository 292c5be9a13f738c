/**
 * Interrupts a host of its own now and then. TCG of QEMU mislays interrupts at a VMRUN or #VMEXIT (docs/qemu-interrupts.md); the next
 * one of any device brings it back. Where the mislaid one was the timer's, and nothing else has anything to say, that host waits for
 * good. In a testbed L1 looks after them.
 */
import { openRemote, type SshTarget } from '../../host/ssh.js';

/** The longest that such a host waits, milliseconds. Each time takes it about one. */
const everyMs = 250;

export class Waker {
  readonly #write: () => void;
  readonly #end: AbortController;
  #timer: NodeJS.Timeout | undefined;

  private constructor(write: () => void, end: AbortController) {
    this.#write = write;
    this.#end = end;
  }

  /** @throws VsbError E_SSH; the signal's reason */
  static async connect(target: SshTarget, signal: AbortSignal): Promise<Waker> {
    const end = new AbortController();
    const until = AbortSignal.any([signal, end.signal]);
    const { channel } = await openRemote(target, 'exec cat >/dev/null', { signal: until });
    const waker = new Waker(() => void channel.write('.'), end);
    waker.pause(false);
    return waker;
  }

  /** Not while the machine stands still: all that was written would come at once. */
  pause(paused: boolean): void {
    clearInterval(this.#timer);
    if (!paused) this.#timer = setInterval(this.#write, everyMs).unref();
  }

  close(): void {
    this.pause(true);
    this.#end.abort();
  }
}
