/** A system of our own beside L2, in a domain of L1 like L2's: it tries the nested virtualization that it is given (guest/). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { CommandLine, Finished } from '../e2e/command-line.js';
import { compileHostile } from './compile.js';

/** In L1's dom0. */
const kernel = '/run/hostile.elf';
/** Exit status of a run that had to be ended. */
const stillThere = 3;

export interface HostileRun {
  /** What the system has said. */
  readonly output: string;
  /** `well`: it has done all; `limit`: it was at work, or hung, when its time was over; `early`: neither. */
  readonly end: 'well' | 'limit' | 'early';
  /** What L1's Xen has logged meanwhile. */
  readonly log: readonly string[];
}

export class HostileSystem {
  readonly #cli: CommandLine;
  /** Under TCG it leaves out what QEMU itself does not bear. */
  readonly #tcg: boolean;

  private constructor(cli: CommandLine, tcg: boolean) {
    this.#cli = cli;
    this.#tcg = tcg;
  }

  /** Compiles it, and brings it to L1's dom0 of a testbed that is up. */
  static async bring(cli: CommandLine): Promise<HostileSystem> {
    const compiled = await compileHostile(join(cli.directory, 'hostile'));
    const { accel } = await cli.json<{ accel: { accel: string } }>(['status']);
    const system = new HostileSystem(cli, accel.accel === 'tcg');
    await system.#inDom0(`cat > ${kernel}`, await readFile(compiled));
    // Xen says why it ends a domain only when it is told to.
    await system.#inDom0('xl set-parameters guest_loglvl=all');
    return system;
  }

  /**
   * Runs it to its end, or to the limit.
   * @param words its command line
   */
  async run(words: string, limitSeconds: number): Promise<HostileRun> {
    const cmdline = `${words} tcg=${this.#tcg ? 1 : 0}`;
    const config = [
      ...['name = "hostile"', 'type = "pvh"', `kernel = "${kernel}"`, `cmdline = "${cmdline}"`],
      ...['memory = 64', 'vcpus = 2', 'nestedhvm = 1'],
      ...['on_poweroff = "destroy"', 'on_crash = "destroy"', 'on_reboot = "destroy"'],
    ];
    await this.#inDom0('cat > /run/hostile.cfg', `${config.join('\n')}\n`);
    const started = new Date().toISOString();
    // The console is there before the system says anything, and has an input that never ends.
    const { code, stdout } = await this.#ssh(
      `xl create -q -p /run/hostile.cfg || exit
      [ -p /run/never ] || mkfifo /run/never
      timeout ${limitSeconds} xl console hostile <>/run/never & console=$!
      sleep 0.3
      xl unpause hostile
      wait $console
      xl destroy hostile 2>/dev/null && exit ${stillThere}`,
      (limitSeconds + 60) * 1000,
    );
    // Xen's own ring is too small for it.
    const log = (await this.#cli.must(['logs', 'xen', '--since', started])).split('\n');
    const other = code === stillThere ? 'limit' : 'early';
    return { output: stdout, end: /^# end\r?$/m.test(stdout) ? 'well' : other, log };
  }

  async #inDom0(command: string, input: string | Buffer = ''): Promise<string> {
    const { code, stdout, stderr } = await this.#ssh(command, 60_000, input);
    if (code !== 0) throw new Error(`${command}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async #ssh(command: string, timeoutMs: number, input: string | Buffer = ''): Promise<Finished> {
    return await this.#cli.ssh('l1', command, { input, timeoutMs });
  }
}
