/** The large text file: numbered lines, so that a lost one is known, made alike here and in the user VM. */

const payload = 'the quick brown fox jumps over the lazy dog, 0123456789.';
/** A number of six digits, a space, the payload, a line feed. */
export const lineBytes = 6 + 1 + payload.length + 1;

export function line(index: number): string {
  return `${String(index).padStart(6, '0')} ${payload}`;
}

export function text(lines: number): string {
  return Array.from({ length: lines }, (_, index) => `${line(index)}\n`).join('');
}

/** Makes the same in the user VM, words of a shell. */
export function textCommand(lines: number, file: string): string {
  return `awk 'BEGIN { while (i < ${lines}) printf "%06d %s\\n", i++, "${payload}" }' >${file}`;
}
