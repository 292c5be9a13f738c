/**
 * Who does something to the machine as a whole is alone with it. Whoever is done lets the machine go on, also under the feet of
 * another who has stopped it; and what runs must not change while all of it is saved.
 */
import { VsbError } from '../base/errors.js';

const saving = 'is being saved';
const stopped = 'was stopped';

export class Turns {
  #alone: typeof saving | typeof stopped | undefined;
  #changes = 0;

  /** Saves the machine. @throws VsbError E_BUSY, at once; what `save` throws */
  async save<T>(save: () => Promise<T>): Promise<T> {
    this.#begin(saving);
    try {
      return await save();
    } finally {
      this.#alone = undefined;
    }
  }

  /** Stops the machine until it is told to go on; to stop it again is no mistake. @throws as `save` */
  async stop(stop: () => Promise<void>): Promise<void> {
    if (this.#alone !== stopped) this.#begin(stopped);
    try {
      await stop();
    } catch (error) {
      this.#alone = undefined;
      throw error;
    }
  }

  /** Lets it go on. @throws as `save` */
  async goOn(goOn: () => Promise<void>): Promise<void> {
    if (this.#alone === saving) throw busy(saving);
    await goOn();
    this.#alone = undefined;
  }

  /** Changes what runs in it; such changes may go on at the same time. @throws as `save` */
  async change<T>(change: () => Promise<T>): Promise<T> {
    if (this.#alone !== undefined) throw busy(this.#alone);
    this.#changes++;
    try {
      return await change();
    } finally {
      this.#changes--;
    }
  }

  #begin(what: typeof saving | typeof stopped): void {
    if (this.#alone !== undefined) throw busy(this.#alone);
    if (this.#changes > 0) throw busy('has a user VM started, stopped or switched');
    this.#alone = what;
  }
}

function busy(how: string): VsbError {
  return new VsbError('E_BUSY', `the machine ${how} by another command`, { hint: 'Wait for it.' });
}
