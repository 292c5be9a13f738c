/** An open console, whichever way it goes. */
import type { Duplex } from 'node:stream';

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
