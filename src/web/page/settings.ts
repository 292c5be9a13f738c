/** What the user has chosen, and what of it the browser keeps. */
import { state } from './console.js';
import { byId, onClick } from './dom.js';

/**
 * Takes up a choice of an earlier time, and returns how to make another. It holds in this browser, for this
 * address and port.
 */
export function keptChoice(name: string, apply: (on: boolean) => void): (on: boolean) => void {
  apply(localStorage.getItem(name) === 'on');
  return (on) => {
    localStorage.setItem(name, on ? 'on' : 'off');
    apply(on);
  };
}

/** The row of keys below the terminal, which phones always have. */
export function wireKeyRow(row: HTMLElement, done: () => void): void {
  const button = onClick('show-keys', () => {
    show(button.getAttribute('aria-pressed') !== 'true');
    done();
  });
  const show = keptChoice('keys', (on) => {
    button.setAttribute('aria-pressed', String(on));
    row.classList.toggle('shown', on);
  });
}

/** Only on macOS: Option is Meta, as Alt is elsewhere. Many keyboards need it for brackets, so not by itself. */
export function wireOption(apply: (isMeta: boolean) => void): void {
  if (!navigator.platform.startsWith('Mac')) return;
  const box = byId('option-is-meta', HTMLInputElement);
  byId('mac', HTMLFieldSetElement).hidden = false;
  const choose = keptChoice('option-is-meta', (on) => {
    box.checked = on;
    apply(on);
  });
  box.addEventListener('change', () => choose(box.checked));
}

/** Keys that a browser takes for itself, but not from a page that fills the screen and asks for them. */
const LOCKED_KEYS = ['Escape', 'KeyN', 'KeyT', 'KeyW'];

/** In the browsers that have it (https://wicg.github.io/keyboard-lock/). */
interface WithKeyboardLock {
  readonly keyboard?: { lock(codes: readonly string[]): Promise<void> };
}

export function wireFullScreen(done: () => void): void {
  const button = onClick('full-screen', () => {
    toggleFullScreen().catch(() => state('The browser does not let this page fill the screen.'));
    done();
  });
  button.hidden = !document.fullscreenEnabled;
}

async function toggleFullScreen(): Promise<void> {
  if (document.fullscreenElement !== null) {
    await document.exitFullscreen();
  } else {
    await document.documentElement.requestFullscreen();
    await (navigator as WithKeyboardLock).keyboard?.lock(LOCKED_KEYS);
  }
}
