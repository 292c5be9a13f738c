/**
 * UUIDs in a saved machine. They are in the memory of every layer: in tables of the firmware, in the hypervisors, in command
 * lines and files. Another instance that resumes the state has its own put into the places of those that it was saved with.
 */
import { nodeBytes } from '../../state/record.js';

/** Text in lower case; the order of RFC 9562; that of SMBIOS, whose first three fields are little-endian. */
export const forms = ['text', 'rfc', 'smbios'] as const;
export type Form = (typeof forms)[number];

/** By the names of user VMs; L2's own has the empty one. */
export type Uuids = Readonly<Record<string, string>>;

/** What a piece of the stream is: somebody's UUID. */
export interface Place {
  readonly name: string;
  readonly form: Form;
}

export interface Piece {
  readonly bytes: Buffer;
  readonly place?: Place;
}

export function encode(uuid: string, form: Form): Buffer {
  if (form === 'text') return Buffer.from(uuid, 'latin1');
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (form === 'rfc') return bytes;
  const swapped = (from: number, to: number): Buffer =>
    Buffer.from(bytes.subarray(from, to)).reverse();
  return Buffer.concat([swapped(0, 4), swapped(4, 6), swapped(6, 8), bytes.subarray(8)]);
}

/** Held back until what follows is known: a whole UUID, and what stands before it. */
const kept = 64;

/** Cuts a stream into places of UUIDs and what is between them. */
export class UuidFinder {
  readonly #byForm: Readonly<Record<Form, readonly (readonly [name: string, bytes: Buffer])[]>>;
  readonly #anchors: readonly { readonly anchor: Buffer; readonly forms: readonly Form[] }[];
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes at the beginning of the rest that are known: they are looked at, and not told again. */
  #told = 0;

  /** @param uuids of one instance: they end in the same bytes */
  constructor(uuids: Uuids) {
    const all = Object.entries(uuids);
    const of = (form: Form): (readonly [string, Buffer])[] =>
      all.map(([name, uuid]) => [name, encode(uuid, form)] as const);
    this.#byForm = { text: of('text'), rfc: of('rfc'), smbios: of('smbios') };
    const [first] = all;
    const node = first?.[1].slice(-2 * nodeBytes);
    this.#anchors =
      node === undefined
        ? []
        : [
            { anchor: Buffer.from(node, 'latin1'), forms: ['text'] },
            { anchor: Buffer.from(node, 'hex'), forms: ['rfc', 'smbios'] },
          ];
  }

  push(chunk: Buffer): Piece[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    return this.#cut(data, Math.max(this.#told, data.length - kept));
  }

  end(): Piece[] {
    const data = this.#rest;
    this.#rest = Buffer.alloc(0);
    return this.#cut(data, data.length);
  }

  /** @param until where what is not known yet begins */
  #cut(data: Buffer, until: number): Piece[] {
    const pieces: Piece[] = [];
    let at = this.#told;
    for (const { begin, end, place } of this.#find(data)) {
      if (begin < at || begin >= until) continue;
      if (begin > at) pieces.push({ bytes: data.subarray(at, begin) });
      pieces.push({ bytes: data.subarray(begin, end), place });
      at = end;
    }
    if (until > at) {
      pieces.push({ bytes: data.subarray(at, until) });
      at = until;
    }
    const from = Math.max(0, at - kept);
    this.#rest = Buffer.from(data.subarray(from));
    this.#told = at - from;
    return pieces;
  }

  #find(data: Buffer): Found[] {
    const found: Found[] = [];
    for (const { anchor, forms: possible } of this.#anchors) {
      let at = data.indexOf(anchor);
      while (at !== -1) {
        const end = at + anchor.length;
        const one = this.#endingAt(data, end, possible);
        if (one !== undefined) found.push(one);
        at = data.indexOf(anchor, end);
      }
    }
    return found.sort((a, b) => a.begin - b.begin);
  }

  #endingAt(data: Buffer, end: number, possible: readonly Form[]): Found | undefined {
    for (const form of possible) {
      for (const [name, bytes] of this.#byForm[form]) {
        const begin = end - bytes.length;
        if (begin < 0 || !data.subarray(begin, end).equals(bytes)) continue;
        return form === 'text' && isName(data, begin)
          ? undefined
          : { begin, end, place: { name, form } };
      }
    }
    return undefined;
  }
}

interface Found {
  readonly begin: number;
  readonly end: number;
  readonly place: Place;
}

/** A UUID that is a part of a longer name, or stands in a list of such. */
const longerName = /[-./\w]$|[0-9a-f]{12}\0$/;

/**
 * Whether it is by that name that something is found: a path of XenStore, whose nodes are hashed by their paths, or a file. Such a
 * name stays, and leads to where it led.
 */
function isName(data: Buffer, begin: number): boolean {
  return longerName.test(data.toString('latin1', Math.max(0, begin - 16), begin));
}
