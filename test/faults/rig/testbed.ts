/** A testbed of its own to break: state and sockets in a temporary folder, images shared. */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { Client } from 'ssh2';
import { afterAll, afterEach, beforeAll } from 'vitest';

import type { Random } from '../../../src/bench/statistics/random.js';
import { instancePaths } from '../../../src/state/paths.js';
import { findRoots } from '../../../src/state/roots.js';
import { Console, connect, pause } from '../../../scripts/console.mjs';
import {
  CommandLine,
  sendTo,
  type Finished,
  type RunningCommand,
  type Status,
} from '../../e2e/command-line.js';
import { KnownOutput, type Count } from './known-output.js';
import { LinkProxy } from './link-proxy.js';

export const upLimitMs = 600_000;
/** What runs of a testbed that is up, sorted. */
export const bothRun: readonly string[] = ['daemon', 'qemu'];

/** The status, as far as faults look at it. */
export interface FaultStatus extends Status {
  readonly shadowHypervisor?: { readonly badFrames: number };
  readonly clockJump?: { readonly seconds: number };
  readonly layers?: readonly { readonly layer: string; readonly state: string }[];
  readonly vms: readonly (Status['vms'][number] & { readonly sessions: number })[];
}

/** A session at a console. */
export class Session {
  readonly tty: Console;
  readonly #client: Client;
  #closed = false;

  constructor(client: Client, tty: Console) {
    this.#client = client;
    this.tty = tty;
    client.once('close', () => (this.#closed = true));
  }

  /** Once it has ended another one may type. */
  async end(): Promise<void> {
    if (this.#closed) return;
    const closed = once(this.#client, 'close');
    this.#client.end();
    await closed;
  }
}

interface UpOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Comes before the command (prlimit, a shell). */
  readonly wrap?: readonly string[];
}

export class Testbed {
  readonly cli: CommandLine;
  /** Of the instance's files that last. */
  readonly stateFolder: string;
  readonly #undo: (() => void)[] = [];
  readonly #sessions: Session[] = [];

  static async create(): Promise<Testbed> {
    const whole = await CommandLine.createWithImages();
    const stateFolder = join(whole.directory, 'state');
    await mkdir(stateFolder, { mode: 0o700 });
    return new Testbed(whole.withEnvironment({ XDG_STATE_HOME: stateFolder }), stateFolder);
  }

  private constructor(cli: CommandLine, stateFolder: string) {
    this.cli = cli;
    this.stateFolder = stateFolder;
  }

  get folder(): string {
    return this.cli.directory;
  }

  start(words: readonly string[], { env = {}, wrap = [] }: UpOptions = {}): RunningCommand {
    const options = { input: '', env, timeoutMs: upLimitMs };
    const [program, ...rest] = wrap;
    return program === undefined
      ? this.cli.start(words, options)
      : this.cli.startProgram(program, [...rest, ...this.cli.commandOf(words)], options);
  }

  async run(words: readonly string[], options: UpOptions = {}): Promise<Finished> {
    return await this.start(words, options).finished;
  }

  /** Up, however it was before. */
  async beUp(...more: string[]): Promise<void> {
    const { state } = await this.status();
    if (state === 'running') return;
    await this.cli.must(['up', ...more], { timeoutMs: upLimitMs });
  }

  /** How long the command takes. */
  async timeOf(words: readonly string[]): Promise<number> {
    const start = performance.now();
    await this.cli.must(words, { timeoutMs: upLimitMs });
    return performance.now() - start;
  }

  async status(): Promise<FaultStatus> {
    return await this.cli.json<FaultStatus>(['status', '--show-password']);
  }

  /** The status as soon as the test holds; the last one if it does not within the time. */
  async statusUntil(test: (status: FaultStatus) => boolean, seconds = 30): Promise<FaultStatus> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const status = await this.status();
      if (test(status) || Date.now() > end) return status;
      await pause(500);
    }
  }

  /** Daemons and QEMUs of this testbed, and commands by their first words. */
  async processes(): Promise<{ pid: number; kind: string }[]> {
    return (await this.cli.processes()).map(({ pid, command }) => ({ pid, kind: kindOf(command) }));
  }

  async pidOf(kind: 'daemon' | 'qemu'): Promise<number> {
    const found = (await this.processes()).find((one) => one.kind === kind);
    if (found === undefined) throw new Error(`no ${kind} runs`);
    return found.pid;
  }

  async signal(kind: 'daemon' | 'qemu', name: NodeJS.Signals): Promise<void> {
    sendTo(await this.pidOf(kind), name);
  }

  /** Kinds of the processes, sorted: as soon as they are these, or after the time. */
  async settle(wanted: readonly string[], seconds = 15): Promise<string[]> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const kinds = (await this.processes()).map(({ kind }) => kind).sort();
      if (kinds.join() === wanted.join() || Date.now() > end) return kinds;
      await pause(250);
    }
  }

  /** A session at the first VM's console, logged in. */
  async session(): Promise<Session> {
    const session = await this.onlooker();
    const [vm] = (await this.status()).vms;
    if (vm?.password === undefined) throw new Error('the first VM has no password');
    await session.tty.logInOnce(vm.password, 240);
    return session;
  }

  /** One that is shown of the console's past what every new one is shown, and from then on all. */
  async onlooker(): Promise<Session> {
    const { gateway, vms } = await this.status();
    const [vm] = vms;
    if (gateway === undefined || vm === undefined) throw new Error('there is no console');
    const client = await connect(gateway, vm.name, gateway.clientKeyPath);
    const session = new Session(client, await new Console().open(client));
    this.#sessions.push(session);
    return session;
  }

  /** Stands in the middle of the link: the next daemon takes QEMU over through it. */
  async comeBetween(random: Random): Promise<LinkProxy> {
    const roots = { XDG_STATE_HOME: this.stateFolder, XDG_RUNTIME_DIR: this.folder };
    const proxy = new LinkProxy(instancePaths('default', findRoots(roots)).linkSocket, random);
    this.onDispose(() => proxy.close());
    await this.signal('daemon', 'SIGKILL');
    await this.statusUntil(({ state }) => state === 'broken');
    await this.beUp();
    return proxy;
  }

  /** Those that a test has left, because it failed. */
  async endSessions(): Promise<void> {
    for (const session of this.#sessions.splice(0)) await session.end();
  }

  /** What is to be undone when nothing of this testbed runs any more: the last one first. */
  onDispose(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** @throws Error naming what `down` had not ended; that is ended all the same */
  async dispose(): Promise<void> {
    await this.endSessions();
    await this.cli.run(['-q', 'down', '--all'], { timeoutMs: 120_000 });
    const left = await this.processes();
    for (const { pid } of left) sendTo(pid, 'SIGKILL');
    const after = await this.settle([]);
    for (const undo of this.#undo.toReversed()) undo();
    await this.cli.dispose();
    if (left.length > 0 || after.length > 0) {
      throw new Error(`down has left: ${JSON.stringify(left)}; after SIGKILL: ${after.join()}`);
    }
  }
}

/**
 * Makes a testbed before the tests of this file or block, ends after each what it has left open, and takes the testbed down.
 *
 * @param take gets it before the first of them
 */
export function withTestbed(take: (testbed: Testbed) => void): void {
  let testbed: Testbed | undefined;
  beforeAll(async () => {
    testbed = await Testbed.create();
    take(testbed);
  });
  afterEach(async () => await testbed?.endSessions());
  afterAll(async () => await testbed?.dispose());
}

function kindOf(command: string): string {
  if (command.includes('qemu-system')) return 'qemu';
  return command.includes(' daemon ') ? 'daemon' : command.split(' ').slice(0, 4).join(' ');
}

/** Has the shell print what is known, and begins to look. */
export async function startOutput(lines: number, tty: Console): Promise<KnownOutput> {
  const output = new KnownOutput(lines);
  tty.clear();
  tty.send(`${output.command}\r`);
  await tty.appears(/<1>\r\n/);
  return output;
}

/** Awaited to its end. */
export async function checkAll(output: KnownOutput, tty: Console, seconds = 120): Promise<Count> {
  return output.whole(await tty.until(output.end, seconds));
}
