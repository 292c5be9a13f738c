/** Elements of index.html, and small things to do with them. */

/**
 * The element with that id.
 * @throws TypeError when there is none, or it is of another kind: page and markup do not fit
 */
export function byId<E extends Element>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new TypeError(`#${id} is no ${kind.name}`);
}

export function onClick(id: string, listener: () => void): HTMLButtonElement {
  const button = byId(id, HTMLButtonElement);
  button.addEventListener('click', listener);
  return button;
}

/** Asks before something is done; the cancelling button has the focus. */
export async function confirm(question: {
  readonly title: string;
  readonly text: string;
  readonly detail?: string;
  readonly yes: string;
}): Promise<boolean> {
  const dialog = byId('confirm', HTMLDialogElement);
  if (dialog.open) return false;
  byId('confirm-title', HTMLHeadingElement).textContent = question.title;
  byId('confirm-text', HTMLParagraphElement).textContent = question.text;
  const detail = byId('confirm-detail', HTMLPreElement);
  detail.textContent = question.detail ?? '';
  detail.hidden = question.detail === undefined;
  byId('confirm-yes', HTMLButtonElement).textContent = question.yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return dialog.returnValue === 'yes';
}
