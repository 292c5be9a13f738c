/** A host of VMs that is none of ours, as L2: its disk is made by a script beside this file, once for each version of that. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { digestOfFile } from '../../src/base/digest.js';
import { exists } from '../../src/base/files.js';
import type { VerifyReport } from '../../src/contract/evidence.js';
import { CommandLine, type Status } from '../e2e/command-line.js';
import { patientMs, patientSeconds } from '../e2e/limits.js';

/** Known to those scripts: the VMs that each of them defines. */
export const web = '3c0f8a52-8f2b-4d0e-9c55-51d6c7b0e001';
export const database = 'b7e23a9d-1d54-4c3f-8a60-0d2f4b9e5002';
/** The shell that a VM's initrd ends in. It asks the terminal where the cursor is, behind the prompt. */
const shell = String.raw`\(initramfs\) $`;

export class OwnHost {
  readonly cli: CommandLine;
  readonly #disk: string;
  /** Of root's there. */
  readonly #key: string;
  readonly #digest: string;

  /**
   * @param name `debian-NAME` beside this file makes its disk
   * @param suite Debian's
   */
  static async make(name: string, suite: string): Promise<OwnHost> {
    const cli = await CommandLine.createWithImages();
    const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
    const maker = beside(`debian-${name}`);
    const hash = createHash('sha256');
    for (const file of [maker, beside('debian.sh')]) hash.update(await readFile(file));
    const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
    const version = hash.digest('hex').slice(0, 16);
    const folder = join(cache, 'vsbypass-test', `debian-${name}-${suite}-${version}`);
    const [disk, key] = [join(folder, 'disk.qcow2'), join(folder, 'key')];
    if (!(await exists(disk))) {
      await mkdir(folder, { recursive: true });
      await rm(key, { force: true });
      await cli.mustProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      const unfinished = join(cli.directory, 'disk.qcow2');
      await cli.mustProgram(maker, [suite, unfinished, `${key}.pub`], { timeoutMs: 1_200_000 });
      await cli.mustProgram('mv', [unfinished, disk], { timeoutMs: 1_200_000 });
    }
    return new OwnHost(cli, disk, key, await digestOfFile(disk));
  }

  private constructor(cli: CommandLine, disk: string, key: string, digest: string) {
    this.cli = cli;
    this.#disk = disk;
    this.#key = key;
    this.#digest = digest;
  }

  /** @param access whether the testbed gets a key of its root */
  async up(access: 'with a key' | 'without'): Promise<void> {
    const config = join(this.cli.directory, 'vsbypass.json');
    await writeFile(
      config,
      JSON.stringify({
        l2: {
          disk: { path: this.#disk, format: 'qcow2' },
          ...(access === 'with a key' ? { ssh: { key: this.#key } } : {}),
        },
        consoles: [{ uuid: database, name: 'accounts' }],
      }),
    );
    await this.cli.must(['up', '--config', config], { timeoutMs: 1_800_000 });
  }

  async down(): Promise<void> {
    await this.cli.must(['down']);
  }

  /** The VM's shell answers on the secure console, once the VM is there. */
  async answers(vm: string, name: string): Promise<void> {
    const { cli } = this;
    await expect
      .poll(async () => (await cli.json<Status>(['status'])).vms, { timeout: patientMs(600_000) })
      .toContainEqual(expect.objectContaining({ name, state: 'running', hooked: true }));
    const wait = ['--replay', 'lines', '--strip-ansi', '--timeout', patientSeconds(300)];
    await cli.must(['console', vm, ...wait, '--expect', shell], { timeoutMs: 400_000 });
    const command = ['--prompt', shell, '--', 'cat /proc/cmdline'];
    const options = { timeoutMs: 200_000 };
    expect(await cli.must(['console', 'run', vm, ...command], options)).toContain('break=premount');
  }

  /** What `verify` says of a VM. */
  async verdict(vm: string): Promise<Pick<VerifyReport, 'verdict' | 'reasons'>> {
    const words = ['verify', vm, '--prompt', shell];
    const { verdict, reasons } = await this.cli.json<VerifyReport>(words, { timeoutMs: 3_000_000 });
    return { verdict, reasons };
  }

  /** Runs a command of its root. */
  async shell(command: string): Promise<string> {
    return await this.cli.must(['l2', 'shell', command], { timeoutMs: 200_000 });
  }

  async diskIsAsItWas(): Promise<boolean> {
    return (await digestOfFile(this.#disk)) === this.#digest;
  }

  async dispose(): Promise<void> {
    await this.cli.dispose();
  }
}
