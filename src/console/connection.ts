/** An open console, whichever way it goes. */
import type { Duplex } from 'node:stream';

import type { ScreenSize } from '../base/terminal-size.js';

export interface ConsoleConnection {
  /** For the user: which console this is. */
  readonly title: string;
  /** The VM's output, and its input. */
  readonly channel: Duplex;
  /** Resolves when the session is over, for whatever reason. */
  readonly closed: Promise<void>;
  /** What the other side says to the user beside the VM's output. */
  onNotice(listener: (text: string) => void): void;
  sendBreak(): void;
  /** The user's terminal has another size now. */
  resize(size: ScreenSize): void;
  /**
   * Asks the gateway something (a verb) beside the console.
   * @param size of the terminal that the answer is for, if there is one
   * @throws VsbError what it is refused with
   */
  ask(verb: string, size?: ScreenSize): Promise<Buffer>;
  /**
   * Detaches in an orderly way, so that what was typed arrives, or cuts the connection after `limitMs`.
   * @returns whether it was orderly
   */
  close(limitMs: number): Promise<boolean>;
  destroy(): void;
  /** Whether the other side did not let this session begin. */
  refused(): boolean;
  /** @throws VsbError that says why the session ended, if it was not at the user's wish */
  checkEnd(): void;
}
