/** A user VM's console with both its ways open: the secure one, and the operator's through L2. */
import type { ConsoleConnection } from '../console/connection.js';
import type { Prompts } from '../console/dialogue/prompts.js';
import { Typist } from '../console/dialogue/typist.js';
import type { PhaseMode } from '../contract/evidence.js';

/** How long each part of going home may take. */
const partLimitMs = 30_000;
/** How long a session may take to end in an orderly way. */
const closeLimitMs = 1000;
/** Keeps the user VM silent while its console is moved: what it prints makes its driver write to its UART. */
const silence = 'sleep 3';

export interface TwoWayConsoleOptions {
  /** An open connection each. */
  readonly ways: Readonly<Record<PhaseMode, ConsoleConnection>>;
  /** The one that the console goes now, and will go at the end. */
  readonly home: PhaseMode;
  readonly setMode: (mode: PhaseMode, signal: AbortSignal) => Promise<void>;
  /** Of the VM, where it is none of the default image. */
  readonly prompts?: Prompts | undefined;
  /** Ends every wait but those of the way home. */
  readonly signal: AbortSignal;
}

export class TwoWayConsole {
  /** Someone at each end: one of them is at the console, the other hears and is heard by nobody. */
  readonly typists: Readonly<Record<PhaseMode, Typist>>;
  readonly #options: TwoWayConsoleOptions;
  #mode: PhaseMode;

  constructor(options: TwoWayConsoleOptions) {
    const { home, signal } = options;
    this.#options = options;
    this.#mode = home;
    this.typists = {
      baseline: this.#someoneAt('baseline', signal),
      shadow: this.#someoneAt('shadow', signal),
    };
  }

  #someoneAt(mode: PhaseMode, signal: AbortSignal): Typist {
    const { ways, prompts } = this.#options;
    return new Typist(ways[mode], signal, prompts);
  }

  /** Who is at the console. */
  get current(): Typist {
    return this.typists[this.#mode];
  }

  /**
   * Moves the console, at a shell prompt.
   * @throws as Typist.start() and setMode do
   */
  async switchTo(mode: PhaseMode): Promise<void> {
    if (this.#mode === mode) return;
    const { setMode, signal } = this.#options;
    await this.current.start(silence, async () => {
      await setMode(mode, signal);
      this.#mode = mode;
      return this.current;
    });
    // Characters that an earlier injection has left in L2's UART.
    this.current.type('\x15');
    await this.current.run(':');
  }

  /**
   * Leaves the shell, if one of ours is there, moves the console to where it was found, and closes both ways.
   * Whatever was interrupted, and whatever of this fails.
   */
  async goHome(): Promise<void> {
    const { ways, home, setMode } = this.#options;
    // One failure must not keep the rest from being put back.
    const left = await this.#leaveShell().catch(() => false);
    const limit = AbortSignal.timeout(partLimitMs);
    const there = this.#someoneAt(home, limit);
    try {
      await setMode(home, limit);
      if (left) await there.expectPrompt();
    } catch {
      // The ways are closed all the same.
    }
    await Promise.all([ways.shadow, ways.baseline].map((way) => way.close(closeLimitMs)));
  }

  /** @returns whether there was one, which is silent now for as long as it takes to move the console */
  async #leaveShell(): Promise<boolean> {
    const limit = AbortSignal.timeout(partLimitMs);
    // An interruption may have come between the switch and its answer.
    await this.#options.setMode(this.#mode, limit);
    // Another than the one that was interrupted, who hears only what comes from now on.
    const here = this.#someoneAt(this.#mode, limit);
    // Ends what runs, or a login that is half done, and drops a line that was not finished. A shell that still edits the
    // line before it passes it on as a character, and the line's end ends the `read` that gets it.
    here.type('\x03\r');
    if ((await here.expectPrompt()) === 'login') return false;
    const exit = this.#loggedIn() ? '; exit' : '';
    // Without start(), which waits for an echo: it may be off still.
    here.type(`\x15stty sane; stty cols 0; echo go''ne; ${silence}${exit}\r`);
    await here.expect(/gone\r+\n/);
    return true;
  }

  #loggedIn(): boolean {
    return Object.values(this.typists).some((typist) => typist.typedPassword);
  }
}
