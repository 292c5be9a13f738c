/** A folder in which the job of a pipeline runs as on a runner; its `vsbypass` is the real one but for what needs a testbed. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { writeFakeQemu } from './fake-qemu.js';
import { executable } from './run-cli.js';

/** The exit codes of the commands that would need a testbed; `real` runs the real one. */
export interface Fates {
  readonly up: number | 'real';
  readonly verify: number;
  readonly report?: number;
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
  bench | down | prune) exit 0 ;;
  report) exit "$FATE_REPORT" ;;
esac
exec "$NODE" "$VSBYPASS" "$@"`;

export class PipelineWorkspace {
  readonly #directory: string;
  readonly #fates: Fates;

  static async create(fates: Fates): Promise<PipelineWorkspace> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-pipeline-'));
    const workspace = new PipelineWorkspace(directory, fates);
    await mkdir(workspace.#bin);
    // KVM is of no use there, as on most runners.
    await writeFakeQemu(join(workspace.#bin, 'qemu-system-x86_64'), [
      ...[{}, { enabled: true, present: true }],
      { model: { name: 'host', props: { svm: false, vmx: false } } },
    ]);
    await workspace.#program('vsbypass', fakeVsbypass);
    return workspace;
  }

  private constructor(directory: string, fates: Fates) {
    this.#directory = directory;
    this.#fates = fates;
  }

  async dispose(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #bin(): string {
    return join(this.#directory, '.bin');
  }

  async #program(name: string, script: string): Promise<void> {
    const path = join(this.#bin, name);
    await writeFile(path, `#!/bin/bash\n${script}\n`);
    await chmod(path, 0o755);
  }

  /** Runs a script as both services do: any failure ends it. */
  async bash(script: string, env: Readonly<Record<string, string>>): Promise<ShellResult> {
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
      cwd: this.#directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: `${this.#bin}:${process.env['PATH']}`,
        HOME: this.#directory,
        XDG_STATE_HOME: this.#directory,
        XDG_RUNTIME_DIR: this.#directory,
        CALLS: join(this.#directory, '.calls'),
        NODE: process.execPath,
        VSBYPASS: executable,
        FATE_UP: String(this.#fates.up),
        FATE_VERIFY: String(this.#fates.verify),
        FATE_REPORT: String(this.#fates.report ?? 0),
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

  /** Commands that were called: without the name of the program, with the deadline in brackets. */
  async calls(): Promise<string[]> {
    const calls = await readFile(join(this.#directory, '.calls'), 'utf8').catch(() => '');
    return calls.split('\n').slice(0, -1);
  }

  /** Names of the evidence that there is. */
  async evidence(): Promise<string[]> {
    return (await readdir(join(this.#directory, 'results')).catch(() => [])).sort();
  }
}
