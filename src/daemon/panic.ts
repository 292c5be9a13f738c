/** Finds in a layer's console that the layer has crashed. */

/** Linux, any layer. */
const linux = /Kernel panic - not syncing: .*/;
/** Xen (xen/drivers/char/console.c, panic()): this line, then the message in one of its own. */
const xenAnnounces = /^\(XEN\) Panic on CPU \d+:/;
/** Xen (xen/common/domain.c, shutdown.c): dom0 has ended, the machine follows. */
const dom0Ended = /^\(XEN\) Hardware Dom0 (?:crashed|halted|shutdown).*/;

export class PanicWatch {
  #announced = false;

  /** What has crashed, if this line tells: one sentence. */
  take(line: string): string | undefined {
    if (this.#announced) {
      this.#announced = false;
      return `Xen panic: ${line.replace(/^\(XEN\)\s*/, '')}`;
    }
    if (xenAnnounces.test(line)) {
      this.#announced = true;
      return undefined;
    }
    return linux.exec(line)?.[0] ?? dom0Ended.exec(line)?.[0].replace(/^\(XEN\)\s*/, '');
  }
}
