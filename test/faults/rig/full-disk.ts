/** A disk that is full: a small tmpfs in the place of a folder. It takes root. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export class SmallDisk {
  readonly #folder: string;
  readonly #filler: string;

  constructor(folder: string, mebibytes: number) {
    this.#folder = folder;
    this.#filler = join(folder, 'filler');
    const options = `size=${mebibytes}m,mode=700`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'faults', folder]);
  }

  /** To the last byte. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    for (const size of [1 << 20, 4096, 1]) {
      try {
        while (writeSync(file, Buffer.alloc(size)) === size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
    closeSync(file);
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  remove(): void {
    execFileSync('umount', ['-l', this.#folder]);
  }
}
