/** The page's server over a gateway with two fake VMs, the page compiled as it is now, and ways in. */
import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, vi } from 'vitest';
import { WebSocket } from 'ws';

import type { InstanceAccess } from '../../src/console/client/instance-access.js';
import { isShadowed, openConsole } from '../../src/console/client/open.js';
import { fingerprintOfLine } from '../../src/formats/keys/key-files.js';
import { loadAssets } from '../../src/web/assets.js';
import type { PageMessage, ServerMessage } from '../../src/web/messages.js';
import { proofText } from '../../src/web/page/limits.js';
import { vmViews, type ConsoleProvider } from '../../src/web/provider.js';
import { startWebServer, type WebServer } from '../../src/web/server.js';
import { compilePage } from './compile-page.js';
import { ConsoleRig } from './console-rig.js';
import type { FakeVm } from './fake-vm.js';
import { uuid2 } from './hub-rig.js';

export class WebStack {
  readonly rig: ConsoleRig;
  readonly vm1: FakeVm;
  readonly vm2: FakeVm;
  readonly directory: string;
  /** VMs that are configured. */
  vms = ['vm1', 'vm2'];
  /** VMs whose COM1 is said to be left to L2. */
  unhooked: string[] = [];
  #server: WebServer | undefined;

  private constructor(rig: ConsoleRig, directory: string) {
    this.rig = rig;
    this.vm1 = rig.vm;
    this.vm2 = rig.l1.addVm({ slot: 1, uuid: uuid2 });
    this.directory = directory;
  }

  static async start(): Promise<WebStack> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-web-'));
    await compilePage(directory);
    await writeFile(join(directory, 'client'), ConsoleRig.clientKey.privatePem, { mode: 0o600 });
    const stack = new WebStack(await ConsoleRig.start(), directory);
    await vi.waitFor(() => expect(stack.rig.hub.vm('vm2')).toBeDefined());
    await stack.serve();
    return stack;
  }

  get server(): WebServer {
    if (this.#server === undefined) throw new Error('there is a server after start()');
    return this.#server;
  }

  /** The server is there (again); `port` 0 takes a free one. */
  async serve(port = 0): Promise<void> {
    const assets = await loadAssets(this.directory);
    this.#server = await startWebServer({ port, assets, provider: this.#provider(), lookMs: 100 });
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.rig.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The instance as a command finds it. */
  access(change: Partial<InstanceAccess> = {}): InstanceAccess {
    return {
      ...{ name: 'lab', stateDir: this.directory, runtimeDir: this.directory },
      vms: this.vms,
      gateway: {
        ...{ host: '127.0.0.1', port: this.rig.gateway.port },
        hostKeyFingerprint: fingerprintOfLine(ConsoleRig.hostKey.publicLine),
        hostKeyLine: ConsoleRig.hostKey.publicLine,
        clientKeyPath: join(this.directory, 'client'),
      },
      ...change,
    };
  }

  /** As `console --web` finds it; a VM that is left to L2 is played by the gateway all the same. */
  #provider(): ConsoleProvider {
    const access = () =>
      this.access({
        ...{ unhooked: this.unhooked, management: noManagement },
        watched: new Map(this.rig.hub.list().map(({ name, watched }) => [name, watched])),
      });
    const secure = (vm: string) => isShadowed(access(), vm);
    return {
      instance: () => Promise.resolve({ name: 'lab', vms: vmViews(access()) }),
      find: (vm) => {
        const shadowed = this.access();
        return Promise.resolve({
          secure: secure(vm),
          open: (signal) =>
            openConsole({
              ...{ access: shadowed, vm, credentials: {}, signal },
              attach: { as: 'auto', replay: 'lines', sanitize: false },
              size: { columns: 80, rows: 24 },
            }),
        });
      },
    };
  }

  get origin(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  /** The token of a new link. */
  token(): string {
    return new URL(this.server.newLink()).hash.slice(1);
  }

  async redeem(token: string, headers: Record<string, string> = { Origin: this.origin }) {
    const url = `${this.origin}/console/session`;
    return await fetch(url, { method: 'POST', body: token, headers });
  }

  /** Cookie and key of a browser that was admitted. */
  async admit(): Promise<{ cookie: string; key: string }> {
    const answer = await this.redeem(this.token());
    const { key } = (await answer.json()) as { key: string };
    const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
    return { cookie, key };
  }

  /** A WebSocket that has not said hello yet. */
  webSocket(headers: Record<string, string>): WebSocket {
    const url = `ws://127.0.0.1:${this.server.port}/console/socket`;
    const socket = new WebSocket(url, { headers: { Origin: this.origin, ...headers } });
    socket.on('error', () => {});
    return socket;
  }

  /** A page that was admitted, without a browser. */
  async page(): Promise<FakePage> {
    const { cookie, key } = await this.admit();
    const page = new FakePage(this.webSocket({ Cookie: cookie }));
    await page.sayHello(key);
    await page.next('instance');
    return page;
  }
}

/** Only says that there is one. */
const noManagement = { l1: {}, l2: {} } as never;

/** What the page's script does with its WebSocket, step by step. */
export class FakePage {
  readonly socket: WebSocket;
  readonly messages: ServerMessage[] = [];
  readonly opened: Promise<void>;
  /** The status code of the end. */
  readonly closed: Promise<number>;
  output = Buffer.alloc(0);
  /** Whether output is reported as shown as soon as it comes. */
  reads = true;
  session = 0;
  #seen = 0;
  #changed: () => void = () => {};

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.opened = new Promise((resolve) => socket.once('open', resolve));
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        this.output = Buffer.concat([this.output, data]);
        if (this.reads) this.send({ type: 'shown', session: this.session, bytes: data.length });
      } else {
        const message = JSON.parse(data.toString()) as ServerMessage;
        if (message.type === 'opened') this.session = message.session;
        this.messages.push(message);
      }
      this.#changed();
    });
  }

  async sayHello(key: string): Promise<void> {
    const { nonce: serverNonce } = await this.next('challenge');
    const nonce = 'of this fake page';
    const proof = createHmac('sha256', key).update(proofText('page', serverNonce, nonce));
    this.send({ type: 'hello', nonce, proof: proof.digest('base64url') });
  }

  send(message: PageMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  async openVm1(): Promise<void> {
    this.send({ type: 'open', vm: 'vm1', notSecure: false });
    await this.next('opened');
  }

  /** The next message of that type after the one that was returned last. */
  async next<T extends ServerMessage['type']>(
    type: T,
  ): Promise<Extract<ServerMessage, { type: T }>> {
    for (;;) {
      while (this.#seen < this.messages.length) {
        const message = this.messages[this.#seen++];
        if (message?.type === type) return message as Extract<ServerMessage, { type: T }>;
      }
      await this.#change();
    }
  }

  async outputReached(bytes: number): Promise<string> {
    while (this.output.length < bytes) await this.#change();
    return this.output.toString();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}
