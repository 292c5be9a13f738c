/** A gateway on loopback with the VM `vm1` behind a fake L1 (a test may add `vm2`), and ssh2 clients that talk to it. */
import { once } from 'node:events';

import ssh2, { type ClientChannel, type ConnectConfig } from 'ssh2';
import { expect, vi } from 'vitest';

import type { ConsoleTarget } from '../../src/console/client/gateway-client.js';
import {
  startGateway,
  type Gateway,
  type GatewayEvent,
  type GatewayOptions,
} from '../../src/console/gateway/gateway.js';
import type { ConsoleHub } from '../../src/console/hub/hub.js';
import { fingerprintOfLine, generateKey, type KeyPair } from '../../src/formats/keys/key-files.js';
import type { Link } from '../../src/link/index.js';
import type { FakeL1 } from './fake-l1.js';
import type { FakeVm } from './fake-vm.js';
import { HubRig, uuid1 } from './hub-rig.js';

export class ConsoleRig {
  static readonly hostKey: KeyPair = generateKey('host');
  static readonly clientKey: KeyPair = generateKey('client');
  static readonly strangerKey: KeyPair = generateKey('stranger');

  readonly l1: FakeL1;
  readonly hub: ConsoleHub;
  readonly vm: FakeVm;
  readonly events: GatewayEvent[] = [];
  link: Link;
  #gateway: Gateway | undefined;
  readonly #clients: ssh2.Client[] = [];
  /** Exit statuses come as soon as the shell is there: too early for who awaits it. */
  readonly #statuses = new WeakMap<ClientChannel, unknown>();

  static async start(
    options: Partial<GatewayOptions> = {},
    historyBytes = 256 * 1024,
  ): Promise<ConsoleRig> {
    const { l1, hub, link } = await HubRig.start({ historyBytes, goneGraceMs: 20 });
    const rig = new ConsoleRig(l1, hub, link, l1.addVm({ uuid: uuid1 }));
    await vi.waitFor(() => expect(hub.vm('vm1')).toBeDefined());
    await rig.startGateway(options);
    return rig;
  }

  private constructor(l1: FakeL1, hub: ConsoleHub, link: Link, vm: FakeVm) {
    this.l1 = l1;
    this.hub = hub;
    this.link = link;
    this.vm = vm;
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error('there is a gateway after start()');
    return this.#gateway;
  }

  /** In the place of the one before. */
  async startGateway(options: Partial<GatewayOptions> = {}): Promise<void> {
    await this.#gateway?.close();
    this.#gateway = await startGateway({
      hostKeyPem: ConsoleRig.hostKey.privatePem,
      authorizedKeys: [`${ConsoleRig.clientKey.publicLine} alice`],
      hub: this.hub,
      listen: { host: '127.0.0.1', port: 0 },
      log: (event) => this.events.push(event),
      ...options,
      limits: { authFailureDelayMs: 1, ...options.limits },
    });
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.destroy();
    this.hub.close();
    await this.gateway.close();
    this.link.close();
    await this.l1.stop();
  }

  /** Prints, and waits until the hub has it. */
  async print(text: string | Buffer): Promise<void> {
    const console = this.hub.vm('vm1');
    const end = (console?.history.end ?? 0) + Buffer.byteLength(text);
    this.vm.print(text);
    await vi.waitFor(() => expect(console?.history.end).toBe(end), { timeout: 10_000 });
  }

  /** Where our own client finds the VM. */
  target(change: Partial<ConsoleTarget> = {}): ConsoleTarget {
    return {
      ...{ host: '127.0.0.1', port: this.gateway.port, vm: 'vm1' },
      hostKeyFingerprint: fingerprintOfLine(ConsoleRig.hostKey.publicLine),
      privateKeyPem: ConsoleRig.clientKey.privatePem,
      attach: { as: 'auto', replay: 'lines', sanitize: false },
      signal: new AbortController().signal,
      ...change,
    };
  }

  async login(config: ConnectConfig = {}): Promise<ssh2.Client> {
    const client = new ssh2.Client();
    this.#clients.push(client);
    client.connect({
      host: '127.0.0.1',
      port: this.gateway.port,
      username: 'vm1',
      privateKey: ConsoleRig.clientKey.privatePem,
      ...config,
    });
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve);
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
    client.on('error', () => {});
    return client;
  }

  shell(client: ssh2.Client): Promise<ClientChannel> {
    return this.#opened((done) => client.shell(false, done));
  }

  exec(
    client: ssh2.Client,
    command: string,
    options: ssh2.ExecOptions = {},
  ): Promise<ClientChannel> {
    return this.#opened((done) => client.exec(command, options, done));
  }

  #opened(open: (done: ssh2.ClientCallback) => void): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      open((error, channel) => {
        if (error !== undefined) return reject(error);
        channel.once('exit', (code: unknown) => this.#statuses.set(channel, code));
        resolve(channel);
      });
    });
  }

  /** Waits for a channel's end: its output from now on, its exit status, what it said beside the output. */
  async ending(
    channel: ClientChannel,
  ): Promise<{ status: unknown; output: string; notices: string }> {
    let output = '';
    let notices = '';
    channel.stderr.on('data', (bytes: Buffer) => (notices += bytes.toString()));
    channel.on('data', (bytes: Buffer) => (output += bytes.toString('latin1')));
    await once(channel, 'close');
    return { status: this.#statuses.get(channel), output, notices };
  }

  /** The answer to a verb, over a connection of its own. */
  async ask(
    verb: string,
    config: ConnectConfig = {},
  ): Promise<{ status: unknown; output: string; notices: string }> {
    return await this.ending(await this.exec(await this.login(config), verb));
  }
}

/** Collects what a channel shows, and what it says beside it. */
export function collect(channel: ClientChannel): { text: string; notices: string } {
  const seen = { text: '', notices: '' };
  channel.on('data', (bytes: Buffer) => (seen.text += bytes.toString('latin1')));
  channel.stderr.on('data', (bytes: Buffer) => (seen.notices += bytes.toString()));
  return seen;
}

/** Reads from a channel until so much has come. */
export async function read(channel: ClientChannel, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  while (total < length) {
    const part = channel.read() as Buffer | null;
    if (part === null) await once(channel, 'readable');
    else {
      parts.push(part);
      total += part.length;
    }
  }
  return Buffer.concat(parts);
}
