/** A hub whose link leads to a fake L1; no gateway yet. */
import { vi } from 'vitest';

import { ConsoleHub } from '../../src/console/hub/hub.js';
import type { Session } from '../../src/console/hub/session.js';
import type { VmConsole } from '../../src/console/hub/vm-console.js';
import { Link } from '../../src/link/index.js';
import { FakeL1 } from './fake-l1.js';

export const uuid1 = '00000000-0000-4000-8000-000000000001';
export const uuid2 = '00000000-0000-4000-8000-000000000002';
const names: Readonly<Record<string, string>> = { [uuid1]: 'vm1', [uuid2]: 'vm2' };

export class HubRig {
  readonly l1: FakeL1;
  readonly hub: ConsoleHub;
  link: Link;

  static async start({ historyBytes = 64 * 1024, goneGraceMs = 150 } = {}): Promise<HubRig> {
    const l1 = await FakeL1.start();
    const hub = new ConsoleHub({
      historyBytes,
      nameOf: ({ uuid }) => (uuid === undefined ? undefined : names[uuid]),
      goneGraceMs,
    });
    const link = await connectLink(l1);
    hub.attachLink(link);
    return new HubRig(l1, hub, link);
  }

  private constructor(l1: FakeL1, hub: ConsoleHub, link: Link) {
    this.l1 = l1;
    this.hub = hub;
    this.link = link;
  }

  /** After a cut: another link, which goes on where the one before ended. */
  async reconnect(): Promise<void> {
    this.link = await connectLink(this.l1, this.link);
    this.hub.attachLink(this.link);
  }

  async stop(): Promise<void> {
    this.hub.close();
    this.link.close();
    await this.l1.stop();
  }

  /** Waits until there is a VM of that name. */
  async consoleOf(name: string): Promise<VmConsole> {
    return vi.waitFor(() => {
      const console = this.hub.vm(name);
      if (console === undefined) throw new Error(`no ${name} yet`);
      return console;
    });
  }
}

export async function connectLink(l1: FakeL1, resume?: Link): Promise<Link> {
  const signal = new AbortController().signal;
  return await Link.connect(l1.socketPath, {
    ...{ signal, timeoutMs: 5000 },
    ...(resume === undefined ? {} : { resume }),
  });
}

/** Reads a session until so much has come. */
export async function read(session: Session, length: number): Promise<string> {
  let text = '';
  if (length === 0) return text;
  for await (const chunk of session.chunks(AbortSignal.timeout(5000))) {
    text += chunk.bytes.toString('latin1');
    if (text.length >= length) break;
  }
  return text;
}

/** What a session is told beside the output. */
export function noticesOf(session: Session): string[] {
  const notices: string[] = [];
  session.on('notice', (text) => notices.push(text));
  return notices;
}
