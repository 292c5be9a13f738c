/** The user's terminal while it is a console: raw, and whatever happens, given back as it was. */
import { spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

import { believableSize, type ScreenSize } from '../../base/terminal-size.js';
import { RESET } from '../reset.js';
import { MARK_PASTES } from './output-modes.js';

/** An input that may be a terminal (`process.stdin` is one). */
export type TerminalInput = Readable & {
  isTTY?: boolean;
  setRawMode?: (raw: boolean) => unknown;
  fd?: number;
};

/** An output that may be a terminal. */
export type TerminalOutput = Writable & { isTTY?: boolean; columns?: number; rows?: number };

/** The size of a terminal; undefined if it is none. */
export function sizeOf(output: TerminalOutput): ScreenSize | undefined {
  if (output.isTTY !== true) return undefined;
  return believableSize(output.columns ?? 80, output.rows ?? 24);
}

/** Only where it is needed: on the normal screen it would move the cursor. */
const LEAVE_ALTERNATE_SCREEN = '\x1b[?1049l';

/** The part of `process` that tells when the terminal must be given back or taken again. */
export type ProcessEvents = Pick<NodeJS.Process, 'on' | 'off' | 'kill' | 'pid'>;

export class RawTerminal {
  readonly #input: TerminalInput;
  readonly #output: TerminalOutput;
  readonly #process: ProcessEvents;
  readonly #controls: boolean;
  #raw = false;
  /** Whether a VM's program has switched to the alternate screen. */
  alternateScreen = false;
  /** What undoes the rest that a VM's programs have switched. */
  undo = '';

  /** @param controls whether the output understands control sequences */
  constructor(
    input: TerminalInput,
    output: TerminalOutput,
    controls = true,
    processEvents: ProcessEvents = process,
  ) {
    this.#input = input;
    this.#output = output;
    this.#controls = controls && output.isTTY === true;
    this.#process = processEvents;
  }

  /** Passes keys on as they are typed. Does nothing if the input is no terminal. */
  enter(): void {
    if (this.#raw || this.#input.isTTY !== true) return;
    this.#raw = true;
    this.#setRaw();
    // 'exit' comes after uncaught exceptions as well; main turns signals into an orderly end.
    this.#process.on('exit', this.restore);
    // Stopped and continued by the shell's job control, which resets the modes.
    this.#process.on('SIGCONT', this.#again);
    this.#markPastes();
  }

  /**
   * Stops this process, as ^Z does elsewhere, and takes the terminal again when it goes on: at once where nobody
   * could continue it (it leads its session, under tmux or `docker exec`), and the kernel does not stop it.
   */
  suspend(): void {
    if (!this.#raw) return;
    this.restore();
    this.#process.kill(this.#process.pid, 'SIGTSTP');
    this.enter();
  }

  /** A program in the VM has switched it off. */
  markPastesAgain(): void {
    if (this.#raw) this.#markPastes();
  }

  /** Gives the terminal back; may be called at any time and more than once. */
  readonly restore = (): void => {
    if (!this.#raw) return;
    this.#raw = false;
    this.#process.off('exit', this.restore);
    this.#process.off('SIGCONT', this.#again);
    try {
      this.#input.setRawMode?.(false);
    } catch {
      // The terminal is gone (hang-up): there is nothing left to restore.
    }
    if (!this.#controls || !this.#output.writable) return;
    this.#output.write(`${this.undo}${this.alternateScreen ? LEAVE_ALTERNATE_SCREEN : ''}${RESET}`);
  };

  readonly #again = (): void => {
    // To Node's knowledge it is raw still, and what is set already is not set again.
    this.#input.setRawMode?.(false);
    this.#setRaw();
    this.#markPastes();
  };

  /**
   * Raw in both directions. Libuv's raw mode (uv_tty_set_mode) has the kernel make CR LF of each LF, but a VM that prints LF
   * alone means one line down in the same column. setRawMode(false) restores what there was before, this too.
   */
  #setRaw(): void {
    this.#input.setRawMode?.(true);
    const { fd } = this.#input;
    if (fd !== undefined) spawnSync('stty', ['-opost'], { stdio: [fd, 'ignore', 'ignore'] });
  }

  #markPastes(): void {
    if (this.#controls && this.#output.writable) this.#output.write(MARK_PASTES);
  }
}
