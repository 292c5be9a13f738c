/** A user VM's console with both its ways open: the secure one, and the operator's through L2. */
import type { ConsoleConnection } from '../console/connection.js';
import { Typist } from '../console/typist.js';
import type { PhaseMode } from './evidence.js';

/** How long each step of going home may take. */
const stepLimitMs = 30_000;
/** How long a session may take to end in an orderly way. */
const closeLimitMs = 1000;
/** Keeps the user VM silent while its console is moved: what it prints makes its driver write to its UART. */
const silence = 'sleep 3';
/** What waits at the console for somebody to type. */
const prompt = /(?:(login:)|[#$]) $/;

export interface TwoWayConsoleOptions {
  /** An open connection each. */
  readonly ways: Readonly<Record<PhaseMode, ConsoleConnection>>;
  /** The one that the console goes now, and will go at the end. */
  readonly home: PhaseMode;
  readonly setMode: (mode: PhaseMode, signal: AbortSignal) => Promise<void>;
  /** Ends every wait but those of the way home. */
  readonly signal: AbortSignal;
}

export class TwoWayConsole {
  /** Someone at each end: one of them is at the console, the other hears and is heard by nobody. */
  readonly typists: Readonly<Record<PhaseMode, Typist>>;
  readonly #options: TwoWayConsoleOptions;
  #mode: PhaseMode;

  constructor(options: TwoWayConsoleOptions) {
    const { ways, home, signal } = options;
    this.#options = options;
    this.#mode = home;
    this.typists = {
      baseline: new Typist(ways.baseline, signal),
      shadow: new Typist(ways.shadow, signal),
    };
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
    const ignore = (): void => undefined;
    await this.#moveHome().catch(ignore);
    await setMode(home, AbortSignal.timeout(stepLimitMs)).catch(ignore);
    await Promise.all([ways.shadow, ways.baseline].map((way) => way.close(closeLimitMs)));
  }

  async #moveHome(): Promise<void> {
    const { ways, home, setMode } = this.#options;
    // An interruption may have come between the switch and its answer.
    await setMode(this.#mode, AbortSignal.timeout(stepLimitMs));
    // Others than those that were interrupted, which hear only what comes from now on.
    const limit = AbortSignal.timeout(stepLimitMs);
    const here = new Typist(ways[this.#mode], limit);
    const there = this.#mode === home ? here : new Typist(ways[home], limit);
    // Ends what runs, or a login that is half done, and drops a line that was not finished. A shell that still edits the
    // line before it passes it on as a character, and the line's end ends the `read` that gets it.
    here.type('\x03\r');
    const [, atLogin] = await here.expect(prompt, stepLimitMs);
    if (atLogin !== undefined) return;
    const exit = this.#loggedIn() ? '; exit' : '';
    here.type(`\x15stty sane; stty cols 0; echo go''ne; ${silence}${exit}\r`);
    await here.expect(/gone\r+\n/, stepLimitMs);
    await setMode(home, limit);
    await there.expect(prompt, stepLimitMs);
  }

  #loggedIn(): boolean {
    return Object.values(this.typists).some((typist) => typist.typedPassword);
  }
}
