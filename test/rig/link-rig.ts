/** A fake L1, and links to it with what comes over them. */
import { once } from 'node:events';

import { Link, type LinkOptions, type VmRecord } from '../../src/link/index.js';
import { FakeL1 } from './fake-l1.js';

export class LinkRig {
  readonly l1: FakeL1;
  readonly #links: Link[] = [];

  static async start(): Promise<LinkRig> {
    return new LinkRig(await FakeL1.start());
  }

  private constructor(l1: FakeL1) {
    this.l1 = l1;
  }

  async connect(options: Partial<LinkOptions> = {}): Promise<Link> {
    const signal = new AbortController().signal;
    const link = await Link.connect(this.l1.socketPath, { signal, timeoutMs: 5000, ...options });
    this.#links.push(link);
    return link;
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.close();
    await this.l1.stop();
  }
}

/** Collects what one VM prints. */
export class Collector {
  bytes = Buffer.alloc(0);
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
    link.on('data', (_slot, _generation, bytes) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
    });
  }

  async reached(length: number): Promise<Buffer> {
    while (this.bytes.length < length) await once(this.#link, 'data');
    return this.bytes;
  }
}

/** Resolves when the record of a VM has become what is wanted. */
export async function seen(link: Link, wanted: (vm: VmRecord) => boolean): Promise<void> {
  while (!link.vms().some(wanted)) await once(link, 'vm');
}
