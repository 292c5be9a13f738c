/** A program on a terminal of its own, whose screen is looked at. It answers as terminals do. */
import { spawn, type IPty } from '@lydell/node-pty';
import headless from '@xterm/headless';
import { expect } from 'vitest';

import type { CliInstance } from './cli-instance.js';
import { eventually } from './eventually.js';
import { executable } from './run-cli.js';

const screens: Screen[] = [];

/** After each test. */
export function closeScreens(): void {
  for (const screen of screens.splice(0)) screen.close();
}

/** The compiled program on a screen. */
export function vsbypass(
  instance: CliInstance,
  words: readonly string[],
  env: Record<string, string> = {},
): Screen {
  return new Screen(instance, process.execPath, [executable, ...words], env);
}

export class Screen {
  readonly #pty: IPty;
  readonly #terminal = new headless.Terminal({ cols: 80, rows: 24, allowProposedApi: true });
  raw = '';
  exitCode: number | undefined;

  constructor(
    instance: CliInstance,
    program: string,
    words: readonly string[],
    env: Record<string, string> = {},
  ) {
    this.#pty = spawn(program, [...words], {
      ...{ cols: 80, rows: 24, cwd: instance.directory },
      // A name given here would take the place of TERM.
      env: { ...instance.env, ...env },
    });
    this.#pty.onData((text) => {
      this.raw += text;
      this.#terminal.write(text);
    });
    // What a terminal answers by itself goes to the program.
    this.#terminal.onData((text) => this.#pty.write(text));
    this.#pty.onExit(({ exitCode }) => (this.exitCode = exitCode));
    screens.push(this);
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  /** As a terminal pastes. */
  paste(text: string): void {
    const marked = this.#terminal.modes.bracketedPasteMode;
    this.#pty.write(marked ? `\x1b[200~${text}\x1b[201~` : text);
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  get marksPastes(): boolean {
    return this.#terminal.modes.bracketedPasteMode;
  }

  get text(): string {
    const { active } = this.#terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, row) =>
      (active.getLine(row)?.translateToString(true) ?? '').trimEnd(),
    );
    return lines.join('\n').trimEnd();
  }

  async shows(pattern: RegExp): Promise<void> {
    await eventually(() => expect(this.text).toMatch(pattern));
  }

  async ends(code = 0): Promise<void> {
    await eventually(() => expect(this.exitCode).toBe(code));
  }

  close(): void {
    if (this.exitCode === undefined) this.#pty.kill('SIGKILL');
    this.#terminal.dispose();
  }
}
