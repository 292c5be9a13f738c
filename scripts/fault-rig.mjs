// A testbed of its own for scripts/faults: state and sockets in a temporary folder, images shared.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Console, connect, pause } from './console.mjs';

const bin = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin/vsbypass.js');
const read = (path) => {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It has ended.
  }
};

export class Rig {
  folder = mkdtempSync(join(tmpdir(), 'vsb-faults-'));
  state = join(this.folder, 'state');
  env = { ...process.env, XDG_STATE_HOME: this.state, XDG_RUNTIME_DIR: this.folder };
  #commands = new Set();
  #undo = [];
  #disposed;

  constructor() {
    mkdirSync(this.state, { mode: 0o700 });
  }

  /** Starts a command; `wrap` comes before it (prlimit, a shell). */
  start(words, { wrap = [], env = {}, seconds = 600 } = {}) {
    if (this.#disposed !== undefined) throw new Error('the testbed was taken away');
    return this.#spawn(words, { wrap, env, seconds });
  }
  #spawn(words, { wrap = [], env = {}, seconds }) {
    const [program, ...rest] = [...wrap, process.execPath, bin, ...words];
    const child = spawn(program, rest, {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#commands.add(child);
    const result = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (result.stdout += chunk));
    child.stderr.on('data', (chunk) => (result.stderr += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    const finished = new Promise((resolve) =>
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        this.#commands.delete(child);
        resolve({ code: code ?? signal, ...result });
      }),
    );
    return { child, finished, result };
  }
  async run(words, options) {
    return await this.start(words, options).finished;
  }
  async must(words, options) {
    const { code, stdout, stderr } = await this.run(words, options);
    if (code !== 0) throw new Error(`vsbypass ${words.join(' ')}: ${code}\n${stderr}`);
    return stdout;
  }
  async status() {
    return JSON.parse(await this.must(['status', '--show-password', '--json'], { seconds: 60 }));
  }
  /** Status as soon as the test holds; the last one when it does not within the time. */
  async statusUntil(test, seconds = 30) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const status = await this.status();
      if (test(status) || Date.now() > end) return status;
      await pause(500);
    }
  }

  /** Daemons, QEMUs and commands of this folder: [{pid, kind}]. */
  processes() {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .map((name) => ({
        pid: Number(name),
        command: read(`/proc/${name}/cmdline`),
        environment: read(`/proc/${name}/environ`),
      }))
      .filter(({ command, environment }) => `${command} ${environment}`.includes(this.folder))
      .filter(({ command }) => command !== '') // Zombies have none.
      .map(({ pid, command }) => ({
        pid,
        kind: /qemu-system/.test(command)
          ? 'qemu'
          : / daemon /.test(command)
            ? 'daemon'
            : command.split(' ').slice(0, 4).join(' '),
      }));
  }
  pidOf(kind) {
    return this.processes().find((one) => one.kind === kind)?.pid;
  }
  /** Kinds of the processes, once there are no others than these, or after the time. */
  async settle(wanted, seconds = 15) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const kinds = this.processes()
        .map(({ kind }) => kind)
        .sort();
      if (kinds.join() === wanted.join() || Date.now() > end) return kinds;
      await pause(250);
    }
  }

  /** A session at the first VM's console, logged in. */
  async session() {
    const status = await this.status();
    const [vm] = status.vms;
    const client = await connect(status.gateway, vm.name, status.gateway.clientKeyPath);
    const tty = await new Console().open(client);
    await tty.logInOnce(vm.password);
    return { client, tty };
  }
  /** What a new session is shown of the console's past, and from then on. */
  async onlooker() {
    const status = await this.status();
    const [vm] = status.vms;
    const client = await connect(status.gateway, vm.name, status.gateway.clientKeyPath);
    return { client, tty: await new Console().open(client) };
  }

  /** What is to be undone when nothing of this testbed runs any more: the last one first. */
  onDispose(undo) {
    this.#undo.push(undo);
  }
  /**
   * Ends all, and removes the folder when nothing is left that writes there. Answers what `down` had not ended.
   *
   * @param {number} seconds for `down`; what it leaves is killed
   */
  async dispose(seconds = 120) {
    this.#disposed ??= this.#end(seconds);
    return await this.#disposed;
  }
  async #end(seconds) {
    for (const child of this.#commands) child.kill('SIGKILL');
    await this.#spawn(['-q', 'down', '--all'], { seconds }).finished;
    const left = this.processes();
    const end = Date.now() + 10_000;
    while (this.processes().length > 0 && Date.now() < end) {
      for (const { pid } of this.processes()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          if (error.code !== 'ESRCH') throw error; // It has ended meanwhile.
        }
      }
      await pause(100);
    }
    for (const undo of this.#undo.reverse()) {
      try {
        undo();
      } catch (error) {
        process.stderr.write(`not undone: ${error.message}\n`);
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
    return left;
  }
}
