/** Another wall clock for a program and what it starts, by LD_PRELOAD of clock-shift.c. It takes a C compiler. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('clock-shift.c', import.meta.url));

/** Why there is none here; undefined if there can be one. */
export function noShiftedClock(): string | undefined {
  return spawnSync('cc', ['--version']).status === 0 ? undefined : 'there is no C compiler (cc)';
}

export class ShiftedClock {
  /** For what is to have this clock. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  /** @param folder where the library and the present shift are kept */
  constructor(folder: string) {
    const library = join(folder, 'clock-shift.so');
    this.#file = join(folder, 'clock-shift');
    this.env = { LD_PRELOAD: library, CLOCK_SHIFT_FILE: this.#file };
    writeFileSync(this.#file, Buffer.alloc(8));
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source]);
  }

  /** At once, for all that has it. */
  set(seconds: number): void {
    const bytes = readFileSync(this.#file);
    bytes.writeBigInt64LE(BigInt(seconds));
    // In place: it is mapped.
    writeFileSync(this.#file, bytes, { flag: 'r+' });
  }
}
