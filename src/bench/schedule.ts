/**
 * Whose turn it is: in each round every cell that still lacks samples gets one turn, in random order, so
 * that noise and drift of the machine hit all alike. Pure; the clock and the dice come from outside.
 */
import type { Cell } from './measures/cell.js';
import { shuffled, type Random } from './statistics/random.js';

/** After so many failures one after the other a cell is given up. */
const patience = 3;

interface Progress {
  readonly cell: Cell;
  samples: number;
  turns: number;
  elapsedMs: number;
  failures: number;
  givenUp: boolean;
}

export class Schedule {
  readonly #cells: Progress[];
  readonly #random: Random;
  /** Which stack a cell runs on: within a round a change of stacks is made once. */
  readonly #groupOf: (cell: Cell) => string;
  #round: Progress[] = [];

  constructor(cells: readonly Cell[], groupOf: (cell: Cell) => string, random: Random) {
    this.#cells = cells.map((cell) => ({
      ...{ cell, samples: 0, turns: 0, elapsedMs: 0, failures: 0, givenUp: false },
    }));
    this.#groupOf = groupOf;
    this.#random = random;
  }

  /** The cell whose turn it is; undefined when all have what they want. */
  next(): Cell | undefined {
    this.#round = this.#round.filter(isOpen);
    if (this.#round.length === 0) this.#round = this.#newRound();
    return this.#round.shift()?.cell;
  }

  done(cell: Cell, samples: number, elapsedMs: number): void {
    const progress = this.#of(cell);
    progress.samples += samples;
    progress.turns++;
    progress.elapsedMs += elapsedMs;
    progress.failures = 0;
  }

  /** @returns whether the cell is given up now */
  failed(cell: Cell, elapsedMs: number): boolean {
    const progress = this.#of(cell);
    progress.turns++;
    progress.elapsedMs += elapsedMs;
    progress.failures++;
    progress.givenUp = progress.failures >= patience;
    return progress.givenUp;
  }

  /** What is still to be done takes about so long, milliseconds. */
  remainingMs(): number {
    return this.#cells
      .filter(isOpen)
      .map(({ cell, samples, turns, elapsedMs }) => {
        const each = turns === 0 ? cell.guessMs : elapsedMs / turns;
        return each * Math.ceil((cell.wanted - samples) / cell.perTurn);
      })
      .reduce((sum, ms) => sum + ms, 0);
  }

  #newRound(): Progress[] {
    const open = this.#cells.filter(isOpen);
    const groups = shuffled(
      [...new Set(open.map(({ cell }) => this.#groupOf(cell)))],
      this.#random,
    );
    return groups.flatMap((group) =>
      shuffled(
        open.filter(({ cell }) => this.#groupOf(cell) === group),
        this.#random,
      ),
    );
  }

  #of(cell: Cell): Progress {
    const found = this.#cells.find((progress) => progress.cell === cell);
    if (found === undefined) throw new TypeError('the cell is not of this schedule');
    return found;
  }
}

function isOpen({ cell, samples, givenUp }: Progress): boolean {
  return !givenUp && samples < cell.wanted;
}
