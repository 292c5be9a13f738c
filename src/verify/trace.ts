/** What L2's hypervisor tells of a user VM's I/O, put together again. */

/** COM1's registers; the first one is the data register. */
export const com1 = { first: 0x3f8, last: 0x3ff } as const;

export function isCom1(port: number): boolean {
  return port >= com1.first && port <= com1.last;
}

export interface TracedIo {
  /** Bytes written to the data register, in order; and read from it. */
  readonly written: Buffer;
  readonly read: Buffer;
  /** Accesses to COM1's other registers: how often each, as `write 0x3f9 0x2`. */
  readonly others: Readonly<Record<string, number>>;
}

export interface PortAccess {
  readonly direction: 'read' | 'write';
  readonly port: number;
  readonly value: number;
}

/** What of the accesses concerns COM1. */
export function com1Accesses(accesses: Iterable<PortAccess>): TracedIo {
  const bytes = { read: [] as number[], write: [] as number[] };
  const others: Record<string, number> = {};
  for (const { direction, port, value } of accesses) {
    if (!isCom1(port)) continue;
    if (port === com1.first) bytes[direction].push(value & 0xff);
    else {
      const access = `${direction} 0x${port.toString(16)} 0x${value.toString(16)}`;
      others[access] = (others[access] ?? 0) + 1;
    }
  }
  return { written: Buffer.from(bytes.write), read: Buffer.from(bytes.read), others };
}
