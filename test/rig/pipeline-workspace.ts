/**
 * A folder in which the steps of a pipeline run as on a runner, with programs in front of the real ones: those that would
 * install something only tell that they were called, and `vsbypass` is the real one but for what needs a testbed.
 */
import { spawn } from 'node:child_process';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { writeFakeQemu } from './fake-qemu.js';
import { executable } from './run-cli.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What becomes of the commands that would need a testbed: their exit codes; `real` runs them. */
export interface Fates {
  readonly up: number | 'real';
  readonly verify: number;
}

export interface ShellResult {
  readonly code: number;
  readonly output: string;
}

const fakeVsbypass = `
printf '%s\\n' "$* [$VSBYPASS_DEADLINE]" >> "$CALLS"
case $1 in
  up) [[ $FATE_UP == real ]] || exit "$FATE_UP" ;;
  verify) printf '<testsuites/>' > results/verify.xml; printf '{}\\n'; exit "$FATE_VERIFY" ;;
  bench | report) exit 0 ;;
esac
exec "$NODE" "$VSBYPASS" "$@"`;

export class PipelineWorkspace {
  readonly directory: string;
  readonly #fates: Fates;

  static async create(fates: Fates): Promise<PipelineWorkspace> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-pipeline-'));
    const workspace = new PipelineWorkspace(directory, fates);
    await mkdir(join(directory, 'scripts'));
    for (const file of ['scripts/lib.sh', 'scripts/packages', 'package-lock.json']) {
      await copyFile(join(root, file), join(directory, file));
    }
    // KVM is of no use there, as on most runners.
    await writeFakeQemu(join(workspace.#bin, 'qemu-system-x86_64'), [
      ...[{}, { enabled: true, present: true }],
      { model: { name: 'host', props: { svm: false, vmx: false } } },
    ]);
    await workspace.#program('vsbypass', fakeVsbypass);
    await workspace.#program('dpkg-query', 'printf installed');
    // What `npm ci` leaves.
    await mkdir(join(directory, 'node_modules'));
    for (const name of ['apt-get', 'npm', 'npx', 'ln']) {
      await workspace.#program(name, `printf '%s\\n' "${name} $*" >> "$CALLS"`);
    }
    return workspace;
  }

  private constructor(directory: string, fates: Fates) {
    this.directory = directory;
    this.#fates = fates;
  }

  async dispose(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  get #bin(): string {
    return join(this.directory, '.bin');
  }

  async #program(name: string, script: string): Promise<void> {
    const path = join(this.#bin, name);
    await writeFile(path, `#!/bin/bash\n${script}\n`);
    await chmod(path, 0o755);
  }

  /** Runs a script of a step, as both services do: any failure ends it. */
  async bash(script: string, env: Readonly<Record<string, string>>): Promise<ShellResult> {
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: `${this.#bin}:${process.env['PATH']}`,
        HOME: this.directory,
        XDG_STATE_HOME: this.directory,
        XDG_RUNTIME_DIR: this.directory,
        CALLS: join(this.directory, '.calls'),
        NODE: process.execPath,
        VSBYPASS: executable,
        FATE_UP: String(this.#fates.up),
        FATE_VERIFY: String(this.#fates.verify),
        CI: 'true',
        ...env,
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    const code = await new Promise<number>((resolve) =>
      child.on('close', (status) => resolve(status ?? -1)),
    );
    return { code, output };
  }

  /** A file of the workspace; empty if there is none. */
  async read(name: string): Promise<string> {
    return await readFile(join(this.directory, name), 'utf8').catch(() => '');
  }

  /** Commands that were called: `vsbypass` without its name, with the deadline in brackets. */
  async calls(): Promise<string[]> {
    return (await this.read('.calls')).split('\n').slice(0, -1);
  }

  /** Names of the evidence that there is. */
  async evidence(): Promise<string[]> {
    return (await readdir(join(this.directory, 'results')).catch(() => [])).sort();
  }
}
