/** Keys that the keyboard of a phone or tablet has not got, or that a browser keeps for itself. */
import { sequences, withControl } from './key-sequences.js';

export class KeyRow {
  readonly #control: HTMLButtonElement;

  /** @param type types a text; `applicationKeys` tells which mode the cursor keys are in */
  constructor(row: HTMLElement, type: (text: string) => void, applicationKeys: () => boolean) {
    let control: HTMLButtonElement | undefined;
    for (const button of row.querySelectorAll('button')) {
      const key = button.dataset['key'] ?? '';
      if (key === 'Control') control = button;
      // The terminal keeps the focus, and the phone its keyboard.
      button.addEventListener('pointerdown', (event) => event.preventDefault());
      button.addEventListener('click', () => {
        const sequence = sequences[key];
        if (sequence === undefined) this.#hold(!this.#held);
        else type(sequence(applicationKeys()));
      });
    }
    if (control === undefined) throw new TypeError('a row of keys without a control key');
    this.#control = control;
  }

  /** What was typed, with the control key if that is held; it is then released. */
  apply(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (!this.#held) return bytes;
    this.#hold(false);
    const changed = withControl(new TextDecoder().decode(bytes));
    return changed === undefined ? bytes : new TextEncoder().encode(changed);
  }

  get #held(): boolean {
    return this.#control.getAttribute('aria-pressed') === 'true';
  }

  #hold(held: boolean): void {
    this.#control.setAttribute('aria-pressed', String(held));
  }
}
