/** Who is at the console, and whether this page may type there. */
import type { Attached } from '../messages.js';
import { byId } from './dom.js';

/** Shows it on the button and in its menu; nobody: there is no console, or L2's, which knows no such lists. */
export function showAttached(sessions: readonly Attached[]): void {
  const own = sessions.find(({ you }) => you);
  const types = own?.writes === true;
  const others = sessions.length - (own === undefined ? 0 : 1);
  const button = byId('role', HTMLButtonElement);
  button.hidden = sessions.length === 0;
  button.dataset['types'] = String(types);
  const count = others === 0 ? '' : ` +${others}`;
  byId('role-text', HTMLSpanElement).textContent = `${types ? 'You type' : 'You look on'}${count}`;
  byId('who-list', HTMLUListElement).replaceChildren(...sessions.map(lineOf));
  byId('take', HTMLButtonElement).hidden = types || own?.may !== 'write';
}

function lineOf({ who, you, may, writes }: Attached): HTMLLIElement {
  const line = document.createElement('li');
  const role = writes ? 'types' : may === 'write' ? 'looks on, may type' : 'looks on';
  line.textContent = `${you ? 'You: ' : ''}${who}: ${role}`;
  return line;
}
