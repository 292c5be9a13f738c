// A testbed of its own for scripts/faults: state and sockets in a temporary folder, images shared; and a console whose output
// is known in advance, byte for byte.
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

  constructor() {
    mkdirSync(this.state, { mode: 0o700 });
  }

  /** Starts a command; `wrap` comes before it (prlimit, a shell). */
  start(words, { wrap = [], env = {}, seconds = 600 } = {}) {
    const [program, ...rest] = [...wrap, process.execPath, bin, ...words];
    const child = spawn(program, rest, {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const result = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (result.stdout += chunk));
    child.stderr.on('data', (chunk) => (result.stderr += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    const finished = new Promise((resolve) =>
      child.on('close', (code, signal) => {
        clearTimeout(timer);
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

  async dispose() {
    await this.run(['-q', 'down', '--all'], { seconds: 120 });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Output of a shell that is known in advance: numbered lines. */
export class KnownOutput {
  #lines;
  #expected;

  constructor(lines) {
    this.#lines = lines;
    this.#expected = Array.from({ length: lines }, (_, index) => `<${index + 1}>\r\n`).join('');
  }
  start(tty) {
    tty.clear();
    tty.send(`i=0; while [ $i -lt ${this.#lines} ]; do i=$((i+1)); echo "<$i>"; done\r`);
  }
  /** Waits for the last line in one session's output, and counts what is missing or damaged before it. */
  async checkAll(tty, seconds = 120) {
    const text = await tty.until(new RegExp(`<${this.#lines}>\r\n`), seconds);
    const got = text.slice(Math.max(0, text.indexOf('<1>\r\n')));
    return got === this.#expected
      ? { bytes: got.length, lost: 0 }
      : { bytes: got.length, lost: Math.max(1, this.#expected.length - got.length) };
  }
  /** How much of it came, if it came without a gap. */
  prefixOf(text) {
    const got = text.slice(text.indexOf('<1>\r\n'));
    if (!text.includes('<1>\r\n')) return 0;
    let length = 0;
    while (length < got.length && got[length] === this.#expected[length]) length++;
    return length;
  }
  /** What lies between the end of one session's output and the beginning of what the next one was shown. */
  async checkRest(before, tty, seconds = 120) {
    const seen = this.prefixOf(before);
    const rest = await tty.until(new RegExp(`<${this.#lines}>\r\n`), seconds);
    // The longest end of the expected output that the rest ends with.
    let length = 0;
    const most = Math.min(rest.length, this.#expected.length);
    while (length < most && rest.at(-1 - length) === this.#expected.at(-1 - length)) length++;
    const from = this.#expected.length - length;
    const again = Math.max(0, seen - from);
    return { bytes: seen + length - again, lost: Math.max(0, from - seen), again };
  }
}
