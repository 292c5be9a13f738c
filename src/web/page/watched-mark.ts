/** The mark that L2 watches, or has watched, the VM of this console. Unlike a notice it stays. */
import { byId } from './dom.js';

/** @param sentences what L1 has seen of it; none: no mark */
export function showWatched(sentences: readonly string[]): void {
  byId('watched', HTMLDivElement).hidden = sentences.length === 0;
  byId('watched-text', HTMLSpanElement).textContent = sentences.map((one) => `${one}.`).join(' ');
}
