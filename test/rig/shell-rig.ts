/** A VM whose serial port is a shell or a login on a real terminal, behind a real gateway; and commands run in it. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { spawn, type IPty } from '@lydell/node-pty';
import { expect } from 'vitest';

import { connectGateway } from '../../src/console/client/gateway-client.js';
import { scriptPeer } from '../../src/console/dialogue/at-console.js';
import { defaultLoginPrompt, defaultPasswordPrompt } from '../../src/console/dialogue/prompts.js';
import { runInShell, type ShellRunOptions } from '../../src/console/dialogue/shell-run.js';
import { ConsoleRig } from './console-rig.js';
import { eventually } from './eventually.js';
import type { FakeVm } from './fake-vm.js';

/** A getty that any shell can be: it asks for a name and a password and starts a shell. */
const getty = `#!/bin/sh
while :; do
  printf 'vm1 login: '; read -r user || exit
  [ -n "$user" ] || continue
  printf '%s' "$(cat asks 2>/dev/null || echo 'Password: ')"; sleep 0.1; stty -echo; read -r password; stty echo; printf '\\n'
  if [ "$user:$password" = "root:se cret" ]; then
    [ ! -e slow ] || sleep 2
    cat motd 2>/dev/null; PS1='# ' sh -i
    [ ! -e off ] || exec sleep 60
    stty sane
  else
    printf 'Login incorrect\\n'
  fi
done
`;

interface RunOptions extends Partial<ShellRunOptions> {
  readonly abort?: AbortSignal;
}

export class ShellRig {
  readonly console: ConsoleRig;
  /** Where programs run; those in its `bin` are found first. */
  readonly directory: string;
  #terminal: IPty | undefined;

  static async start(): Promise<ShellRig> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-run-'));
    await writeFile(join(directory, 'getty'), getty);
    await chmod(join(directory, 'getty'), 0o755);
    return new ShellRig(await ConsoleRig.start(), directory);
  }

  private constructor(console: ConsoleRig, directory: string) {
    this.console = console;
    this.directory = directory;
  }

  async stop(): Promise<void> {
    this.#terminal?.kill('SIGKILL');
    await this.console.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The VM is that program from now on. */
  boot(program: string, ...words: string[]): void {
    const PATH = `${join(this.directory, 'bin')}:${process.env['PATH'] ?? ''}`;
    const env = { PATH, PS1: '$ ', ENV: '' };
    this.#terminal = runOnSerialPort(this.console.vm, [program, ...words], env, this.directory);
  }

  bootGetty(): void {
    this.boot(join(this.directory, 'getty'));
  }

  /** What somebody else types. */
  type(text: string): void {
    this.#terminal?.write(text);
  }

  async run(
    command: string,
    { abort, ...options }: RunOptions = {},
  ): Promise<{ status: number; output: string }> {
    const attach = { as: 'write', replay: 'none', sanitize: false } as const;
    const connection = await connectGateway(this.console.target({ attach }));
    const output: Buffer[] = [];
    try {
      const status = await runInShell(scriptPeer(connection), {
        ...{ user: 'root', password: Buffer.from('se cret'), prompt: /[#$] $/, command },
        loginPrompt: new RegExp(defaultLoginPrompt, 'm'),
        passwordPrompt: new RegExp(defaultPasswordPrompt, 'm'),
        timeoutMs: 10_000,
        signal: abort ?? AbortSignal.timeout(15_000),
        onOutput: (bytes) => output.push(bytes),
        ...options,
      });
      return { status, output: Buffer.concat(output).toString('latin1') };
    } finally {
      connection.destroy();
    }
  }

  /** What the console shows next after a key, at the end of a line. */
  async shows(key: string, pattern: RegExp): Promise<void> {
    const history = this.console.hub.vm('vm1')?.history;
    const from = history?.end ?? 0;
    this.type(key);
    await eventually(() => expect(history?.read(from, 65_536)?.bytes.toString()).toMatch(pattern));
  }
}

/** Joins a VM's serial port to a program on a real terminal. */
export function runOnSerialPort(
  vm: FakeVm,
  [program = '', ...words]: readonly string[],
  env: Record<string, string>,
  cwd: string,
): IPty {
  const size = { cols: 80, rows: 24 };
  const terminal = spawn(program, words, { ...size, env, cwd, encoding: null });
  terminal.onData((text) => vm.print(text));
  vm.onInput = (bytes) => terminal.write(bytes as unknown as string);
  return terminal;
}
