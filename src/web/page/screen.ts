/** The terminal itself: size, colours, keys that are the page's own, and what is in the scrollback. */
import type { Terminal as XtermTerminal } from '@xterm/xterm';

import { answerNothing } from './reports.js';
import { dark, light } from './themes.js';
import { FitAddon } from './vendor/addon-fit.mjs';
import { Unicode11Addon } from './vendor/addon-unicode11.mjs';
import { Terminal } from './vendor/xterm.mjs';

const SCROLLBACK_LINES = 20_000;
const FONT_SIZES = { smallest: 9, usual: 14, largest: 28 } as const;
/** What a serial terminal is taken for when nobody says its size. */
const SERIAL_SIZE = { columns: 80, rows: 24 } as const;

export interface ScreenListener {
  onInput(bytes: Uint8Array<ArrayBuffer>): void;
  onPaste(text: string): void;
  onSize(columns: number, rows: number): void;
  /** A key combination of the page: returns whether it was one. */
  onKey(event: KeyboardEvent): boolean;
}

export class Screen {
  readonly terminal: XtermTerminal;
  readonly #fit = new FitAddon();
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  #fitted = true;

  constructor(container: HTMLElement, listener: ScreenListener) {
    const terminal = new Terminal({
      allowProposedApi: true,
      convertEol: false,
      cursorBlink: false,
      fontFamily: 'ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace',
      fontSize: FONT_SIZES.usual,
      macOptionClickForcesSelection: true,
      minimumContrastRatio: 4.5,
      scrollback: SCROLLBACK_LINES,
      theme: this.#dark.matches ? dark : light,
      // Nothing of the output becomes a link.
      linkHandler: { activate: () => {}, allowNonHttpProtocols: false },
    });
    this.terminal = terminal;
    answerNothing(terminal);
    terminal.loadAddon(this.#fit);
    // By itself it takes an emoji for one column (Unicode 6); programs in the VM give it two.
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = '11';
    terminal.open(container);
    terminal.textarea?.setAttribute('aria-label', 'Console input');
    const encoder = new TextEncoder();
    terminal.onData((text) => listener.onInput(encoder.encode(text)));
    terminal.onBinary((text) =>
      listener.onInput(Uint8Array.from(text, (character) => character.charCodeAt(0))),
    );
    terminal.onResize(({ cols, rows }) => listener.onSize(cols, rows));
    terminal.attachCustomKeyEventHandler(
      (event) => event.type !== 'keydown' || !listener.onKey(event),
    );
    // Before xterm.js sees it: what is pasted is looked at first.
    container.addEventListener(
      'paste',
      (event) => {
        event.preventDefault();
        event.stopPropagation();
        listener.onPaste(event.clipboardData?.getData('text/plain') ?? '');
      },
      { capture: true },
    );
    this.#dark.addEventListener('change', () => {
      terminal.options.theme = this.isDark ? dark : light;
    });
    new ResizeObserver(() => requestAnimationFrame(() => this.#resize())).observe(container);
  }

  get isDark(): boolean {
    return this.#dark.matches;
  }

  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.terminal.cols, rows: this.terminal.rows };
  }

  /** Whether the terminal is as large as its window, or has the size that serial lines are taken for. */
  fitWindow(fitted: boolean): void {
    this.#fitted = fitted;
    this.#resize();
  }

  changeFontSize(by: number): void {
    const size = (this.terminal.options.fontSize ?? FONT_SIZES.usual) + by;
    this.terminal.options.fontSize = Math.min(
      FONT_SIZES.largest,
      Math.max(FONT_SIZES.smallest, size),
    );
    this.#resize();
  }

  /** All that is kept, as text: lines that were wrapped are whole again, trailing blank lines left out. */
  text(): string {
    const buffer = this.terminal.buffer.normal;
    const lines: string[] = [];
    for (let index = 0; index < buffer.length; index++) {
      const line = buffer.getLine(index);
      if (line === undefined) continue;
      const continues = buffer.getLine(index + 1)?.isWrapped === true;
      const text = line.translateToString(!continues);
      if (line.isWrapped) lines.push((lines.pop() ?? '') + text);
      else lines.push(text);
    }
    return `${lines.join('\n').trimEnd()}\n`;
  }

  /** A line of the page's own between the VM's output. */
  remark(text: string): void {
    this.terminal.write(`\r\n\x1b[7m ${text} \x1b[27m\r\n`);
  }

  /** As new, once what was written so far is shown. */
  clear(): void {
    this.terminal.write('\x1bc');
  }

  #resize(): void {
    if (this.#fitted) this.#fit.fit();
    else this.terminal.resize(SERIAL_SIZE.columns, SERIAL_SIZE.rows);
  }
}
