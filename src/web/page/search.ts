/** The search bar. */
import { byId, onClick } from './dom.js';
import type { Screen } from './screen.js';
import { matches } from './themes.js';
import { SearchAddon } from './vendor/addon-search.mjs';

export class SearchBar {
  readonly #screen: Screen;
  readonly #addon = new SearchAddon();
  readonly #form = byId('search', HTMLFormElement);
  readonly #input = byId('search-text', HTMLInputElement);
  readonly #count = byId('search-count', HTMLOutputElement);
  readonly #case: HTMLButtonElement;
  readonly #regex: HTMLButtonElement;

  constructor(screen: Screen) {
    this.#screen = screen;
    screen.terminal.loadAddon(this.#addon);
    this.#addon.onDidChangeResults(({ resultIndex, resultCount }) =>
      this.#showCount(resultIndex, resultCount),
    );
    this.#case = onClick('search-case', () => this.#toggle(this.#case));
    this.#regex = onClick('search-regex', () => this.#toggle(this.#regex));
    onClick('search-previous', () => this.#find('previous'));
    onClick('search-close', () => this.close());
    this.#input.addEventListener('input', () => this.#find('same'));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#find('next');
    });
    this.#form.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
      else if (event.key === 'Enter' && event.shiftKey) {
        event.preventDefault();
        this.#find('previous');
      }
    });
  }

  open(): void {
    this.#form.hidden = false;
    this.#input.focus();
    this.#input.select();
  }

  close(): void {
    this.#form.hidden = true;
    this.#addon.clearDecorations();
    this.#screen.terminal.clearSelection();
    this.#screen.terminal.focus();
  }

  #toggle(button: HTMLButtonElement): void {
    const pressed = button.getAttribute('aria-pressed') === 'true';
    button.setAttribute('aria-pressed', String(!pressed));
    this.#find('same');
  }

  #find(direction: 'same' | 'next' | 'previous'): void {
    const text = this.#input.value;
    if (text === '') {
      this.#addon.clearDecorations();
      this.#count.value = '';
      return;
    }
    const { match, active } = this.#screen.isDark ? matches.dark : matches.light;
    const options = {
      caseSensitive: this.#case.getAttribute('aria-pressed') === 'true',
      regex: this.#regex.getAttribute('aria-pressed') === 'true',
      incremental: direction === 'same',
      decorations: {
        matchBackground: match,
        matchOverviewRuler: match,
        activeMatchBackground: active,
        activeMatchColorOverviewRuler: active,
      },
    };
    const valid = !options.regex || isRegularExpression(text);
    this.#input.setAttribute('aria-invalid', String(!valid));
    if (!valid) this.#count.value = 'no regular expression';
    // The newest output first, as in a shell's own search.
    else if (direction === 'next') this.#addon.findNext(text, options);
    else this.#addon.findPrevious(text, options);
  }

  #showCount(index: number, count: number): void {
    if (count === 0) this.#count.value = 'none';
    else this.#count.value = index < 0 ? `${count}` : `${index + 1} of ${count}`;
  }
}

function isRegularExpression(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}
