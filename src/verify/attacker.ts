/**
 * The attacker: root of L2, or of L1's dom0, with the search program and a folder of his own, over SSH.
 * Whatever he changes there is undone by leave().
 */
import { VsbError } from '../errors/index.js';
import { runRemote, shellQuote, type RunResult, type SshTarget } from '../ssh/client.js';
import { octal } from './canary.js';
import type { Channel } from './channels.js';
import type { ChannelEvidence } from './evidence.js';
import { parseAnswer, searchJob, type Wanted } from './search.js';
import { com1, parseTrace, type TracedIo } from './trace.js';

/** A search takes seconds; nested emulation on a busy machine takes longer. */
const searchLimitMs = 180_000;
const commandLimitMs = 60_000;
const tracing = '/sys/kernel/tracing';

/** What each layer says of itself, put into files of the attacker's folder. */
const collect = {
  L1: 'xl dmesg >xl-dmesg; cat piped >>xl-dmesg 2>/dev/null',
  L2: 'dmesg >kernel-log',
} as const;

export class Attacker {
  readonly directory: string;
  readonly #target: SshTarget;

  /** @param directory a name that nothing else has */
  constructor(target: SshTarget, directory: string) {
    this.#target = target;
    this.directory = directory;
  }

  /** Brings the search program there. */
  async enter(program: Buffer, signal: AbortSignal): Promise<void> {
    const directory = shellQuote(this.directory);
    await this.#must(
      `mkdir -m 700 ${directory} && cat >${directory}/search && chmod 700 ${directory}/search`,
      { signal, stdin: program },
    );
  }

  /** Searches the channels that the program can search. */
  async search(
    wanted: readonly Wanted[],
    channels: readonly Channel[],
    signal: AbortSignal,
  ): Promise<ChannelEvidence[]> {
    const own = channels.filter(({ layer }) => layer === this.#target.layer);
    const result = await this.#must(
      `cd ${shellQuote(this.directory)} && { ${collect[this.#target.layer]}; ./search; }`,
      { signal, stdin: searchJob(wanted, own, this.directory), timeoutMs: searchLimitMs },
    );
    return parseAnswer(result.stdout.toString('latin1'), wanted, own);
  }

  /** The process of a user VM's QEMU. */
  async qemuPid(vm: string, signal: AbortSignal): Promise<number> {
    const result = await this.#must(`cat ${shellQuote(`/run/vm/${vm}/pid`)}`, { signal });
    return Number(result.stdout.toString().trim());
  }

  /** Traces the accesses to COM1 that L2's kernel sees, from now on. */
  async startTrace(signal: AbortSignal): Promise<void> {
    const filter = `port >= ${com1.first} && port <= ${com1.last}`;
    await this.#must(
      [
        `cd ${tracing}`,
        `{ [ -e trace ] || { mount -t tracefs tracefs . && touch ${this.directory}/mounted; }; }`,
        // The folder was entered before something was mounted on it.
        `cd ${tracing}`,
        'echo 0 >events/kvm/kvm_pio/enable',
        'echo >trace',
        `echo '${filter}' >events/kvm/kvm_pio/filter`,
        'echo 1 >events/kvm/kvm_pio/enable',
        'echo 1 >tracing_on',
      ].join(' && '),
      { signal },
    );
  }

  /** Ends the trace and returns what it has seen. */
  async stopTrace(signal: AbortSignal): Promise<TracedIo> {
    const result = await this.#must(
      `cd ${tracing} && echo 0 >events/kvm/kvm_pio/enable && cat trace && echo >trace`,
      { signal },
    );
    return parseTrace(result.stdout.toString('latin1'));
  }

  /** For the self-test: puts a canary into each channel that a console does not fill by itself. */
  async plant(canary: string, vm: string, signal: AbortSignal): Promise<void> {
    const holder = `sh -c 'sleep 600; : "$1"' holder "$c" </dev/null >/dev/null 2>&1 & echo $! >holder`;
    const scripts = {
      L1: [
        'echo "$c" >piped',
        'echo "$c" >/run/vsbypass-plant',
        'echo "$c" >/var/log/xen/console/vsbypass-plant',
      ],
      L2: [
        `stat -c %s /var/log/vm/${vm}.log >log-size`,
        `echo "$c" >>/var/log/vm/${vm}.log`,
        'echo "$c" >/run/vsbypass-plant',
        'echo "$c" >/dev/kmsg',
        // QEMU's monitor remembers what was typed there.
        `echo "help $c" >/run/vm/${vm}/monitor.in`,
      ],
    } as const;
    const words = [`c=$(printf '${octal(canary)}')`, ...scripts[this.#target.layer], holder];
    await this.#must(`cd ${shellQuote(this.directory)} && ${words.join(' && ')}`, { signal });
  }

  /** Takes out again what plant() has put there; the kernel's log and QEMU's memory forget by themselves. */
  async unplant(vm: string, signal: AbortSignal): Promise<void> {
    const scripts = {
      L1: 'rm -f /run/vsbypass-plant /var/log/xen/console/vsbypass-plant piped',
      L2: `rm -f /run/vsbypass-plant; truncate -s "$(cat log-size)" /var/log/vm/${vm}.log`,
    } as const;
    await this.#must(
      `cd ${shellQuote(this.directory)} && kill "$(cat holder)"; ${scripts[this.#target.layer]}`,
      { signal },
    );
  }

  /** Undoes everything but plant(). */
  async leave(signal: AbortSignal): Promise<void> {
    const directory = shellQuote(this.directory);
    const trace = [
      `cd ${tracing}/events/kvm/kvm_pio 2>/dev/null`,
      '{ echo 0 >enable; echo 0 >filter; }',
      'cd /',
    ].join(' && ');
    await this.#must(
      `${trace}; [ ! -e ${directory}/mounted ] || umount ${tracing}; rm -rf ${directory}`,
      { signal },
    );
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
      timeoutMs: commandLimitMs,
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
