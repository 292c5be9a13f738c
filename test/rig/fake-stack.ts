/**
 * A testbed as its daemon meets it, without a machine: the consoles of L1 and L2, the link, the SSH servers of L1's dom0 and of L2, and
 * a user VM with a login. A test says when each of them shows something.
 */
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';

import type { VsbError } from '../../src/base/errors.js';
import { identifyProcess } from '../../src/base/process-identity.js';
import { parseConfig } from '../../src/config/load.js';
import { asRunning, closeLogs, release } from '../../src/daemon/launch.js';
import { openSshPrivateKey } from '../../src/formats/keys/openssh.js';
import { l1Address } from '../../src/layers/network.js';
import type { L0Machine } from '../../src/machine/l0/machine.js';
import { connectLink } from '../../src/machine/connect-link.js';
import { connectMachine } from '../../src/machine/connect-machine.js';
import { freshLog } from '../../src/machine/layer-log.js';
import { planTestbed } from '../../src/machine/plan.js';
import type { Running, UpRequest } from '../../src/machine/running.js';
import type { InstancePaths } from '../../src/state/paths.js';
import { ensureSecrets } from '../../src/state/secrets.js';
import { FakeGuest } from './fake-guest.js';
import { FakeL1 } from './fake-l1.js';
import type { FakeVm } from './fake-vm.js';
import { machine as make } from './saved-state.js';
import { answerInput, startSshServer, type Answer } from './ssh-server.js';
import { temporaryInstance } from './temporary-instance.js';

/** What was run in a layer, and what it was given. */
interface RemoteCall {
  readonly command: string;
  readonly stdin: string;
}

export class FakeStack {
  readonly paths: InstancePaths;
  readonly l1: FakeL1;
  readonly guest = new FakeGuest();
  /** What the machine was told, in order. */
  readonly told: string[] = [];
  readonly calls = { l1: [] as RemoteCall[], l2: [] as RemoteCall[] };
  /** What a command in a layer comes to; by default what a renewal says. */
  answer: (command: string) => Answer = () => ({ stdout: 'renewed\n' });
  /** What the machine does while it is saved. */
  saving: () => Promise<void> = () => Promise.resolve();
  /** Why the machine does not take a saved state. */
  refuses: Error | undefined;
  readonly #directory: string;
  readonly #consoles = new Map<'l1' | 'l2', Socket>();
  readonly #servers: Server[] = [];
  readonly #running: Running[] = [];

  static async start(): Promise<FakeStack> {
    const { directory, paths } = await temporaryInstance();
    const l1 = await FakeL1.start(paths.linkSocket);
    const stack = new FakeStack(directory, paths, l1);
    stack.#listen('l1', paths.l1Socket);
    stack.#listen('l2', paths.l2Socket);
    return stack;
  }

  private constructor(directory: string, paths: InstancePaths, l1: FakeL1) {
    this.#directory = directory;
    this.paths = paths;
    this.l1 = l1;
  }

  async stop(): Promise<void> {
    for (const running of this.#running) await this.end(running);
    for (const server of this.#servers) server.close();
    for (const socket of this.#consoles.values()) socket.destroy();
    this.guest.destroy();
    await this.l1.stop();
    await rm(this.#directory, { recursive: true });
  }

  request(warm: Partial<UpRequest['warm']> = {}, config = '{}'): UpRequest {
    return {
      ...make,
      config: parseConfig(config, 'a test'),
      keepFailed: false,
      warm: { must: false, keep: false, ...warm },
    };
  }

  /** The testbed as the daemon has it when its machine has just been started. */
  async launch(request = this.request()): Promise<Running> {
    const { paths } = this;
    const names = request.config.vms.map(({ name }) => name);
    const secrets = await ensureSecrets(paths, names);
    const ports = {
      l1: await this.#serveSsh('l1', secrets.l1Host),
      l2: await this.#serveSsh('l2', secrets.l2Host),
    };
    const logs = {
      l0: freshLog(paths.qemuLog),
      l1: freshLog(paths.l1Log),
      l2: freshLog(paths.l2Log),
    };
    const plan = planTestbed(paths, request.config, request.accel);
    const machine = await this.#machine(ports);
    const running = asRunning({ request, plan, secrets, machine, ...logs }, paths, () => undefined);
    this.#running.push(running);
    return running;
  }

  /** One whose machine, consoles and link are connected. */
  async connect(request = this.request()): Promise<Running> {
    const running = await this.launch(request);
    const signal = AbortSignal.timeout(5000);
    await connectMachine(running, signal, 5000);
    await connectLink(running, signal, 5000);
    return running;
  }

  /** The daemon lets go of it. */
  async end(running: Running): Promise<void> {
    running.failed.abort();
    await release(running);
    closeLogs(running);
  }

  /** The machine ends. */
  fail(reason: VsbError): void {
    for (const { failed } of this.#running) failed.abort(reason);
  }

  /** Prints on the console of L1, or of L2. */
  say(layer: 'l1' | 'l2', text: string): void {
    this.#consoles.get(layer)?.write(text);
  }

  /** The user VM is as a saved state has it: at its login, and with a shell that can be renewed. */
  beRenewable(): void {
    this.guest.state = 'login';
    this.guest.answers.set('renewed-$((6 * 7))', 'renewed-42');
  }

  /** L1 sees a user VM at whose serial port `guest` is. */
  addVm({ plan }: Running, name = 'vm1'): FakeVm {
    const vm = this.l1.addVm({ uuid: plan.vms.find((one) => one.name === name)?.uuid });
    vm.onInput = (bytes) => this.guest.write(bytes);
    this.guest.on('data', (bytes: Buffer) => vm.print(bytes));
    return vm;
  }

  #listen(layer: 'l1' | 'l2', path: string): void {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      this.#consoles.set(layer, socket);
    });
    this.#servers.push(server.listen(path));
  }

  /** A server that notes what it is to run, and says that it is done. */
  async #serveSsh(layer: 'l1' | 'l2', hostKey: Buffer): Promise<number> {
    const key = { seed: hostKey.subarray(-64, -32), publicKey: hostKey.subarray(-32) };
    const hostKeyPem = openSshPrivateKey(key, layer);
    const { server, port } = await startSshServer(hostKeyPem, (command, channel) =>
      answerInput(channel, (input) => {
        this.calls[layer].push({ command, stdin: input.toString('latin1') });
        return this.answer(command);
      }),
    );
    this.#servers.push(server);
    return port;
  }

  async #machine(ports: { l1: number; l2: number }): Promise<L0Machine> {
    const identity = await identifyProcess(process.pid);
    const tell = (what: string): Promise<void> => {
      this.told.push(what);
      return Promise.resolve();
    };
    const machine: Partial<L0Machine> = {
      make: 'QEMU',
      opening: { phase: 'qemu', awaited: 'QEMU to answer' },
      process: { identity } as unknown as L0Machine['process'],
      isOpen: false,
      open: async () => await tell('open'),
      run: async () => await tell('run'),
      restore: async () => {
        if (this.refuses !== undefined) throw this.refuses;
        await tell('restore');
      },
      stopsBetweenGuestsOnly: false,
      stop: async () => await tell('stop'),
      continue: async () => await tell('continue'),
      save: async (file) => {
        await writeFile(file, 'state');
        await this.saving();
        return [];
      },
      forwards: () =>
        Promise.resolve((address: string) => (address === l1Address ? ports.l1 : ports.l2)),
      diskRequests: () => Promise.resolve(undefined),
    };
    return machine as L0Machine;
  }
}
