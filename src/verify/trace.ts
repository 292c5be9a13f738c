/** What L2's kernel tells of a user VM's I/O: lines of the tracepoint kvm_pio (Linux, arch/x86/kvm/trace.h). */

/** COM1's registers; the first one is the data register. */
export const com1 = { first: 0x3f8, last: 0x3ff } as const;

export interface TracedIo {
  /** Bytes written to the data register, in order; and read from it. */
  readonly written: Buffer;
  readonly read: Buffer;
  /** Accesses to COM1's other registers: how often each, as `write 0x3f9 0x2`. */
  readonly others: Readonly<Record<string, number>>;
}

const line = /\bkvm_pio: pio_(read|write) at 0x([0-9a-f]+) size (\d+) count \d+ val 0x([0-9a-f]+)/g;

/** Reads the text of tracefs' `trace`. */
export function parseTrace(text: string): TracedIo {
  const written: number[] = [];
  const read: number[] = [];
  const others: Record<string, number> = {};
  for (const [, direction, port, , value] of text.matchAll(line)) {
    const at = parseInt(port ?? '', 16);
    if (at < com1.first || at > com1.last) continue;
    if (at !== com1.first) {
      const access = `${direction} 0x${port} 0x${value}`;
      others[access] = (others[access] ?? 0) + 1;
    } else (direction === 'write' ? written : read).push(parseInt(value ?? '', 16) & 0xff);
  }
  return { written: Buffer.from(written), read: Buffer.from(read), others };
}
