/** Whether a VM has gone down, by what its kernel says last of all. */

/** Linux's, kernel/reboot.c. Others print it, too, who show old logs; but they go on. */
const lastWords =
  /(?:^|\n)\[ *\d+\.\d+\] reboot: (?:Power down|System halted|(Restarting system))\s*$/;
/** How much of the output that can be, with its time stamp. */
const KEPT = 128;
const QUIET_MS = 2000;
/** The firmware of a VM that restarts has something to say soon. */
const RESTART_QUIET_MS = 300;

export class LastWords {
  readonly #onDown: () => void;
  #tail = '';
  #silence: NodeJS.Timeout | undefined;

  /** @param onDown called when they were said, and nothing after them */
  constructor(onDown: () => void) {
    this.#onDown = onDown;
  }

  /** More of the VM's output. */
  listen(text: string): void {
    this.#tail = (this.#tail + text).slice(-KEPT);
    this.stop();
    const last = lastWords.exec(this.#tail);
    if (last === null) return;
    const quietMs = last[1] === undefined ? QUIET_MS : RESTART_QUIET_MS;
    this.#silence = setTimeout(this.#onDown, quietMs);
  }

  stop(): void {
    clearTimeout(this.#silence);
  }
}
