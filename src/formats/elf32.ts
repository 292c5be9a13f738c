/** The one loadable segment of a 32-bit ELF program (System V ABI, chapter 5), which is what Xen's image for loaders has. */
import { VsbError } from '../base/errors.js';

export interface LoadedSegment {
  readonly entry: number;
  readonly physicalAddress: number;
  /** Where it lies in the file. */
  readonly offset: number;
  readonly bytes: number;
}

const identification = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
const load = 1;

/**
 * @param head of the file, with its program headers in it
 * @throws VsbError E_FILE when it is no such program
 */
export function loadedSegment(head: Buffer): LoadedSegment {
  if (head.length < 52 || !head.subarray(0, identification.length).equals(identification)) {
    throw new VsbError('E_FILE', 'it is no 32-bit ELF program');
  }
  const [table, size, count] = [
    head.readUInt32LE(28),
    head.readUInt16LE(42),
    head.readUInt16LE(44),
  ];
  if (table + size * count > head.length) {
    throw new VsbError('E_FILE', 'its program headers are not where they are looked for');
  }
  const segments = Array.from({ length: count }, (_, index) => table + size * index).filter(
    (at) => head.readUInt32LE(at) === load,
  );
  const [at] = segments;
  if (at === undefined || segments.length > 1) {
    throw new VsbError('E_FILE', `it has ${segments.length} loadable segments, 1 is expected`);
  }
  return {
    entry: head.readUInt32LE(24),
    offset: head.readUInt32LE(at + 4),
    physicalAddress: head.readUInt32LE(at + 12),
    bytes: head.readUInt32LE(at + 16),
  };
}
