/** Runs the real command line on instances of its own: state and sockets in a temporary folder, images shared. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { patientMs } from './limits.js';

const executable = fileURLToPath(new URL('../../bin/vsbypass.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** A command that still runs. */
export interface RunningCommand {
  readonly child: ChildProcessWithoutNullStreams;
  /** What it has printed so far. */
  output(): string;
  /** Resolves as soon as stdout and stderr together contain the text. */
  until(text: string, timeoutMs?: number): Promise<void>;
  readonly finished: Promise<Finished>;
}

interface Management {
  readonly l1: { readonly port: number };
  readonly l2: { readonly port: number };
  readonly keyPath: string;
}

export class CommandLine {
  readonly directory: string;
  readonly #env: NodeJS.ProcessEnv;

  static async create(): Promise<CommandLine> {
    return new CommandLine(await mkdtemp(join(tmpdir(), 'vsb-e2e-')));
  }

  /** Whatever must be built is built here, so that the limits of what follows are those of a boot. */
  static async createWithImages(): Promise<CommandLine> {
    const cli = await CommandLine.create();
    await cli.must(['build'], { timeoutMs: 1_800_000 });
    return cli;
  }

  private constructor(directory: string, env: NodeJS.ProcessEnv = {}) {
    this.directory = directory;
    this.#env = { ...process.env, XDG_STATE_HOME: directory, XDG_RUNTIME_DIR: directory, ...env };
  }

  /** The same folder, with more in the environment; it is not disposed of by itself. */
  withEnvironment(env: NodeJS.ProcessEnv): CommandLine {
    return new CommandLine(this.directory, env);
  }

  /** Starts `vsbypass` with these arguments. */
  start(words: readonly string[], options: RunOptions = {}): RunningCommand {
    const [node, ...rest] = this.commandOf(words);
    return this.startProgram(node, rest, options);
  }

  /** What runs `vsbypass` with these arguments. */
  commandOf(words: readonly string[]): [string, ...string[]] {
    return [process.execPath, executable, ...words];
  }

  startProgram(
    program: string,
    words: readonly string[],
    options: RunOptions = {},
  ): RunningCommand {
    const child = spawn(program, words, {
      cwd: this.directory,
      env: { ...this.#env, ...options.env },
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined);
    if (options.input !== undefined) child.stdin.end(options.input);
    const timer = setTimeout(() => child.kill('SIGKILL'), patientMs(options.timeoutMs ?? 60_000));
    const text = (parts: Buffer[]): string => Buffer.concat(parts).toString('utf8');
    const finished = once(child, 'close').then(([code]): Finished => {
      clearTimeout(timer);
      return { code: code as number | null, stdout: text(stdout), stderr: text(stderr) };
    });
    const output = (): string => text(stdout) + text(stderr);
    return {
      child,
      output,
      finished,
      until: async (wanted, timeoutMs = 300_000) =>
        await new Promise<void>((resolve, reject) => {
          const fail = (why: string): void => reject(new Error(`${why} "${wanted}":\n${output()}`));
          const late = setTimeout(() => fail('waited too long for'), patientMs(timeoutMs));
          const look = (): void => {
            if (!output().includes(wanted)) return;
            clearTimeout(late);
            resolve();
          };
          child.stdout.on('data', look);
          child.stderr.on('data', look);
          child.on('close', () => fail('ended without'));
          look();
        }),
    };
  }

  /** Runs `vsbypass` to its end. */
  async run(words: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return await this.start(words, { input: '', ...options }).finished;
  }

  /** Runs it and expects success. */
  async must(words: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(words, options);
    if (code !== 0)
      throw new Error(`vsbypass ${words.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs any program in this test's folder, and expects success. */
  async mustProgram(
    program: string,
    words: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.startProgram(program, words, {
      input: '',
      ...options,
    }).finished;
    if (code !== 0) throw new Error(`${program}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs it with --json and expects success. */
  async json<T>(words: readonly string[], options: RunOptions = {}): Promise<T> {
    return JSON.parse(await this.must([...words, '--json'], options)) as T;
  }

  /** Starts a command in the management VM of L1 or L2, as root. */
  async startSsh(
    layer: 'l1' | 'l2',
    command: string,
    options: RunOptions = {},
  ): Promise<RunningCommand> {
    const { state, reason, management } = await this.json<Status & { management?: Management }>([
      'status',
    ]);
    if (management === undefined) throw new Error(`the testbed is ${state}: ${reason ?? ''}`);
    return this.startProgram(
      'ssh',
      [
        ...['-p', String(management[layer].port), '-i', management.keyPath, 'root@127.0.0.1'],
        ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
        ...['-o', 'LogLevel=ERROR', command],
      ],
      options,
    );
  }

  /** Runs one to its end. */
  async ssh(layer: 'l1' | 'l2', command: string, options: RunOptions = {}): Promise<Finished> {
    return await (
      await this.startSsh(layer, command, { input: '', ...options })
    ).finished;
  }

  /** Processes whose command line names this test's folder: daemons and QEMUs of its instances. */
  async processes(): Promise<{ pid: number; command: string }[]> {
    const found = [];
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
      const [command, environment] = await Promise.all(
        ['cmdline', 'environ'].map(async (file) =>
          (await readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')).replaceAll('\0', ' '),
        ),
      );
      // Zombies have neither.
      if (`${command} ${environment}`.includes(this.directory) && command !== '') {
        found.push({ pid: Number(name), command: command ?? '' });
      }
    }
    return found;
  }

  /** Ends every instance and forgets the folder. */
  async dispose(): Promise<void> {
    await this.run(['-q', 'down', '--all'], { timeoutMs: 120_000 });
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Never process group 0, which is this one. */
export function sendTo(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) throw new Error('there is no such process');
  process.kill(pid, name);
}

/** The status document, as far as tests look at it. */
export interface Status {
  readonly state: string;
  readonly reason?: string;
  readonly processes: { readonly daemon?: number; readonly qemu?: number };
  readonly gateway?: {
    readonly host: string;
    readonly port: number;
    readonly clientKeyPath: string;
  };
  readonly vms: readonly {
    readonly name: string;
    readonly state: string;
    readonly hooked?: boolean;
    readonly password?: string;
    readonly label?: string;
    readonly claims?: string;
    readonly bytesOut: number;
  }[];
}
