/** Finds in a layer's console that the layer has crashed, or that it cannot come up. */
import { oneLine } from '../formats/ansi.js';
import type { LayerLog } from '../machine/layer-log.js';

/** What L1's dom0 and L2 say of themselves when they cannot come up. */
const complaint = /^vsbypass-l[12]: error: (.*)/;

/**
 * Linux, any layer (kernel/panic.c, panic()): at the beginning of a line or after the kernel's time, since the prompt of a
 * program may stand before that. Xen says itself whose words it passes on: those of its guests are not dom0's.
 */
const linux =
  /^(?!\((?:XEN|d\d+)\))(?:.*\[ *\d+\.\d+\](?:\[ *[CT]\d+\])? )?(Kernel panic - not syncing: .*)/;
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
    return linux.exec(line)?.[1] ?? dom0Ended.exec(line)?.[0].replace(/^\(XEN\)\s*/, '');
  }
}

/** A layer that has crashed, or one that lives and cannot come up: one sentence. */
export interface Trouble {
  readonly crashed: boolean;
  readonly message: string;
}

export function onTrouble(log: LayerLog, listener: (trouble: Trouble) => void): void {
  const panics = new PanicWatch();
  log.on('line', (line) => {
    const panic = panics.take(line);
    const message = panic ?? complaint.exec(line)?.[1];
    if (message !== undefined)
      listener({ crashed: panic !== undefined, message: oneLine(message) });
  });
}
