/**
 * The attacker: root of L2, or of L1's dom0, with the search program and a folder of his own, over SSH.
 * Whatever he changes there is undone by leave().
 */
import { VsbError } from '../base/errors.js';
import type { ChannelEvidence } from '../contract/evidence.js';
import { runRemote, shellQuote, type RunResult, type SshTarget } from '../host/ssh.js';
import { octal } from './canary.js';
import type { Channel } from './channels.js';
import type { ActiveAttack, Ground, Subject, Tracer } from './ground.js';
import { parseAnswer, searchJob, type Wanted } from './search.js';
import type { TracedIo } from './trace.js';

/** An attack takes seconds; nested emulation on a busy machine takes longer. */
const attackLimitMs = 180_000;
export class Attacker {
  readonly directory: string;
  readonly #target: SshTarget;
  readonly #ground: Ground;

  /** @param name of its folder there, which nothing else has */
  constructor(target: SshTarget, ground: Ground, name: string) {
    this.#target = target;
    this.#ground = ground;
    this.directory = `${ground.workFolder}/${name}`;
  }

  /** Brings the search program there. An upload that is cut takes away what it has made, when leave() has come and gone. */
  async enter(program: Buffer, signal: AbortSignal): Promise<void> {
    const directory = shellQuote(this.directory);
    const words = [
      `mkdir -m 700 ${directory}`,
      `cat >${directory}/search`,
      `[ "$(wc -c <${directory}/search)" -eq ${program.length} ]`,
      `chmod 700 ${directory}/search`,
    ];
    await this.#must(`{ ${words.join(' && ')}; } || { rm -rf ${directory}; false; }`, {
      signal,
      stdin: program,
    });
  }

  /** Searches the channels that the program can search. */
  async search(
    wanted: readonly Wanted[],
    channels: readonly Channel[],
    signal: AbortSignal,
  ): Promise<ChannelEvidence[]> {
    const own = channels.filter(({ layer }) => layer === this.#target.layer);
    const result = await this.#must(
      `cd ${shellQuote(this.directory)} && { ${this.#ground.collect}; ./search; }`,
      {
        ...{ signal, stdin: searchJob(wanted, own, this.directory) },
        timeoutMs: this.#ground.limitsMs.search,
      },
    );
    return parseAnswer(result.stdout.toString('latin1'), wanted, own);
  }

  /**
   * Looks a user VM up.
   * @param command {@link L2Ground.lookUp}
   */
  async lookUp(command: string, signal: AbortSignal): Promise<Subject> {
    const result = await this.#must(command, { signal });
    const lines = result.stdout
      .toString()
      .split('\n')
      .filter((line) => line !== '');
    const [id, qemuPid, memoryBytes, vm] = lines;
    if (vm === undefined) {
      throw new VsbError('E_VERIFY', 'L2 says too little of the user VM', {
        layer: 'L2',
        details: { lines },
      });
    }
    const { directory } = this;
    return {
      vm,
      id: Number(id),
      qemuPid: Number(qemuPid),
      memoryBytes: Number(memoryBytes),
      directory,
    };
  }

  /** Traces the accesses to COM1 that the layer's hypervisor sees, from now on. */
  async startTrace(signal: AbortSignal): Promise<void> {
    await this.#must(this.#tracer().start(this.directory), { signal });
  }

  /** Ends the trace and returns what it has seen. */
  async stopTrace(signal: AbortSignal): Promise<TracedIo> {
    const tracer = this.#tracer();
    const result = await this.#must(tracer.stop(this.directory), { signal });
    return tracer.read(result.stdout);
  }

  #tracer(): Tracer {
    if (this.#ground.tracer === undefined) throw new TypeError('nothing is traced in this layer');
    return this.#ground.tracer;
  }

  /** Does something that is not a search. */
  async carryOut({ command }: ActiveAttack, signal: AbortSignal): Promise<void> {
    await this.#must(command, { signal, timeoutMs: attackLimitMs });
  }

  /** For the self-test: puts a canary into each channel that a console does not fill by itself. */
  async plant(canary: string, subject: Subject, signal: AbortSignal): Promise<void> {
    // In braces: else the whole list would go on in the background, and be searched for before it is done.
    const holder = `{ sh -c 'sleep 600; : "$1"' holder "$c" </dev/null >/dev/null 2>&1 & echo $! >holder; }`;
    const words = [`c=$(printf '${octal(canary)}')`, ...this.#ground.plant(subject), holder];
    await this.#must(`cd ${shellQuote(this.directory)} && ${words.join(' && ')}`, { signal });
  }

  /** Takes out again what plant() has put there; the kernel's log and QEMU's memory forget by themselves. */
  async unplant(subject: Subject, signal: AbortSignal): Promise<void> {
    await this.#must(
      `cd ${shellQuote(this.directory)} && kill "$(cat holder)"; ${this.#ground.unplant(subject)}`,
      { signal },
    );
  }

  /** Undoes everything but plant(). */
  async leave(signal: AbortSignal): Promise<void> {
    const untrace = this.#ground.tracer?.leave(this.directory) ?? ':';
    await this.#must(`${untrace}; rm -rf ${shellQuote(this.directory)}`, { signal });
  }

  async #must(
    command: string,
    options: {
      readonly signal: AbortSignal;
      readonly stdin?: string | Buffer;
      readonly timeoutMs?: number;
    },
  ): Promise<RunResult> {
    const result = await runRemote(this.#target, command, {
      timeoutMs: this.#ground.limitsMs.command,
      ...options,
    });
    if (result.code === 0) return result;
    const { layer } = this.#target;
    const why = result.stderr.trim() || `exit code ${result.code}`;
    throw new VsbError('E_VERIFY', `the attacker in ${layer} cannot do this: ${why}`, {
      layer,
      details: { command },
    });
  }
}
