/** What stands before the terminal while no console is open: why, and what can be done. */
import { byId } from './dom.js';

export interface CurtainText {
  readonly text: string;
  readonly hint?: string | undefined;
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

const curtain = (): HTMLDivElement => byId('curtain', HTMLDivElement);

export function lowerCurtain({ text, hint, action }: CurtainText): void {
  byId('curtain-text', HTMLParagraphElement).textContent = text;
  // Commands stand between backticks, in the program's hints too.
  const parts = (hint ?? '').split('`').map((part, index) => (index % 2 === 1 ? code(part) : part));
  byId('curtain-hint', HTMLParagraphElement).replaceChildren(...parts);
  const button = byId('curtain-action', HTMLButtonElement);
  button.hidden = action === undefined;
  button.textContent = action?.label ?? '';
  button.onclick = action?.run ?? null;
  curtain().hidden = false;
}

export function raiseCurtain(): void {
  curtain().hidden = true;
}

function code(text: string): HTMLElement {
  const element = document.createElement('code');
  element.textContent = text;
  return element;
}
