/**
 * An AMD host with KVM, emulated: QEMU's TCG runs Debian's kernel, whose KVM offers SVM to its guests, on this machine's own
 * file system.
 *
 * Its clock counts instructions (-icount), so an exit costs what it costs in instructions and not what TCG takes for it.
 * Without that, a tick of the innermost VM takes longer than it is until the next.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { tcgCpuModel } from '../../src/host/cpu-model.js';

/** This project, at the same place in the emulated host. */
export const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** The command line, as it is called there. */
export const vsbypass = `node ${project}/bin/vsbypass.js`;

/** What a command in the emulated host has done. */
export interface HostJob {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Seconds on the clock of the emulated host, which knows nothing of how long it took here. */
  readonly seconds: number;
}

export interface KvmParameters {
  readonly nested: 0 | 1;
  readonly npt: 0 | 1;
}

/** Where its state is, in its own memory. */
const scratch = '/var/tmp/kvm-host';

/** Reads the names of jobs from the second serial port and says how each has ended. */
const agent = (env: string): string => `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb
${env}
mkdir -p ${scratch}; cd ${scratch}; mkdir -m 700 /run/user
ulimit -n 4096
/run/kvm-host/busybox stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
clock() { local now; read -r now _ </proc/uptime; echo "$now"; }
echo "ready $(clock)" >&3
while read -r job <&3; do
  (
    start=$(clock)
    bash "/jobs/$job.sh" </dev/null 3<&- >"/jobs/$job.stdout" 2>"/jobs/$job.stderr"
    code=$?
    flock /run/kvm-host/agent echo "$job $code $start $(clock)" >/dev/ttyS1
  ) &
done
`;

/** Where Debian's packages have the firmware and the loader of kernels: a QEMU that is built from source has none. */
const firmware = ['/usr/share/qemu', '/usr/share/seabios'];
/** Words for the QEMU of an emulated host: TCG, with a clock that counts instructions. */
export const countedTcg = [
  ...firmware.flatMap((folder) => ['-L', folder]),
  ...['-accel', 'tcg,thread=single,tb-size=1024', '-icount', 'shift=0,sleep=on'],
];

export interface EmulatedHostOptions {
  /** What emulates it: the image qemu of images/build. */
  readonly qemu: string;
  /** The image kvm-host of images/build. */
  readonly image: string;
  /** Features of the processor in addition to those that QEMU's SVM gets right. */
  readonly features?: readonly string[];
  readonly memoryMiB?: number;
  /** Variables of the environment of all jobs. */
  readonly env?: Readonly<Record<string, string>>;
  /** Lines for people about what is going on. */
  readonly progress?: (line: string) => void;
  readonly bootLimitMs?: number;
}

export class EmulatedHost {
  /** Its console and the output of its jobs are here. */
  readonly directory: string;
  readonly #qemu: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #agent: Socket;
  readonly #progress: (line: string) => void;
  readonly #waiting = new Map<string, (fields: readonly string[]) => void>();
  #jobs = 0;

  /** Boots it; it needs about a gigabyte for itself and what the testbed needs. */
  static async boot(options: EmulatedHostOptions): Promise<EmulatedHost> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-kvm-host-'));
    const jobs = join(directory, 'jobs');
    await mkdir(jobs);
    const env = Object.entries({
      HOME: process.env['HOME'] ?? '/root',
      XDG_CACHE_HOME:
        process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? '/root', '.cache'),
      XDG_STATE_HOME: scratch,
      XDG_RUNTIME_DIR: '/run/user',
      ...options.env,
    });
    await writeFile(
      join(jobs, 'agent'),
      agent(env.map(([name, value]) => `export ${name}='${value}'`).join('\n')),
    );
    const socket = join(directory, 'agent.sock');
    const server = createServer().listen(socket);
    await once(server, 'listening');
    const connected = once(server, 'connection') as Promise<[Socket]>;
    const share = (tag: string, path: string, more: string): string[] => [
      ...['-virtfs', `local,path=${path},mount_tag=${tag},security_model=none,${more}`],
    ];
    const qemu = spawn(
      join(options.qemu, 'qemu-system-x86_64'),
      [
        ...[
          '-name',
          'kvm-host',
          '-nodefaults',
          '-no-user-config',
          '-no-reboot',
          '-display',
          'none',
        ],
        ...['-machine', 'q35,usb=off,vmport=off'],
        ...countedTcg,
        ...['-cpu', [tcgCpuModel().argument, ...(options.features ?? [])].join(',+')],
        ...['-smp', '1', '-m', `${options.memoryMiB ?? 6144}M`],
        ...['-kernel', join(options.image, 'vmlinuz'), '-initrd', join(options.image, 'initrd')],
        '-append',
        // No mitigations and no patching of code, which TCG pays for; TCG's TSC counts evenly, whatever the kernel thinks.
        'console=ttyS0 loglevel=4 panic=-1 mitigations=off tsc=reliable no_timer_check rodata=off cryptomgr.notests lsm= audit=0 random.trust_cpu=on nowatchdog',
        ...share('root', '/', 'readonly=on,multidevs=remap'),
        ...share('jobs', jobs, 'multidevs=remap'),
        ...['-serial', `file:${join(directory, 'console')}`],
        ...['-chardev', `socket,id=agent,path=${socket}`, '-serial', 'chardev:agent'],
        ...['-qmp', `unix:${join(directory, 'qmp.sock')},server=on,wait=off`],
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    try {
      const [connection] = await within(
        options.bootLimitMs ?? 300_000,
        'the emulated host did not start',
        connected,
      );
      const host = new EmulatedHost(
        directory,
        qemu,
        connection,
        options.progress ?? (() => undefined),
      );
      await within(
        options.bootLimitMs ?? 300_000,
        'the emulated host did not boot',
        new Promise((resolve) => host.#waiting.set('ready', resolve)),
      );
      return host;
    } catch (error) {
      qemu.kill('SIGKILL');
      const console = await readFile(join(directory, 'console'), 'utf8').catch(() => '');
      throw new Error(`${String(error)}\n${console.slice(-4000)}`, { cause: error });
    } finally {
      server.close();
    }
  }

  private constructor(
    directory: string,
    qemu: ChildProcess,
    connection: Socket,
    progress: (line: string) => void,
  ) {
    this.directory = directory;
    this.#qemu = qemu;
    this.#ended = once(qemu, 'exit');
    this.#agent = connection;
    this.#progress = progress;
    createInterface({ input: connection }).on('line', (line) => {
      const [name = '', ...fields] = line.trim().split(' ');
      this.#waiting.get(name)?.(fields);
      this.#waiting.delete(name);
    });
    connection.on('error', () => undefined);
  }

  /** Runs a script of bash as root, to its end. */
  async run(script: string, limitMs = 300_000): Promise<HostJob> {
    const name = `job${++this.#jobs}`;
    const file = (end: string): string => join(this.directory, 'jobs', `${name}.${end}`);
    const read = async (end: string): Promise<string> =>
      await readFile(file(end), 'utf8').catch(() => '');
    await writeFile(file('sh'), script);
    const started = performance.now();
    const ended = new Promise<readonly string[]>((resolve) => this.#waiting.set(name, resolve));
    this.#agent.write(`${name}\n`);
    const gone = this.#ended.then(() => {
      throw new Error('the emulated host has ended');
    });
    try {
      const [code, from, to] = await within(limitMs, 'it did not end', Promise.race([ended, gone]));
      const seconds = Number(to) - Number(from);
      const here = ((performance.now() - started) / 1000).toFixed(0);
      this.#progress(
        `${script.trim().split('\n')[0]}: exit ${code}, ${seconds.toFixed(1)} s there, ${here} s here`,
      );
      return {
        code: Number(code),
        stdout: await read('stdout'),
        stderr: await read('stderr'),
        seconds,
      };
    } catch (error) {
      const [stdout, stderr] = [await read('stdout'), await read('stderr')];
      throw new Error(
        `${script}: ${String(error)}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`,
        { cause: error },
      );
    } finally {
      this.#waiting.delete(name);
    }
  }

  /** Runs it and expects success. */
  async must(script: string, limitMs?: number): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, limitMs);
    if (code !== 0) throw new Error(`${script}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs `vsbypass` to its end. */
  async vsbypass(words: string, limitMs?: number): Promise<HostJob> {
    return await this.run(`${vsbypass} ${words}`, limitMs);
  }

  /** Runs it with --json and expects success. */
  async json<T>(words: string, limitMs?: number): Promise<T> {
    return JSON.parse(await this.must(`${vsbypass} ${words} --json`, limitMs)) as T;
  }

  /** Loads KVM anew, as the host's administrator would. */
  async loadKvm({ nested, npt }: KvmParameters): Promise<void> {
    await this.must(`
      bb=/run/kvm-host/busybox
      if [[ -e /sys/module/kvm_amd ]]; then $bb rmmod kvm_amd; $bb rmmod kvm; fi
      $bb insmod /run/kvm-host/kvm.ko
      $bb insmod /run/kvm-host/kvm_amd.ko nested=${nested} npt=${npt}
      chmod 600 /dev/kvm`);
  }

  async unloadKvm(): Promise<void> {
    await this.must('/run/kvm-host/busybox rmmod kvm_amd; /run/kvm-host/busybox rmmod kvm');
  }

  /** Ends it and forgets its folder. */
  async dispose(): Promise<void> {
    this.#agent.destroy();
    if (this.#qemu.exitCode === null && this.#qemu.signalCode === null) {
      this.#qemu.kill('SIGKILL');
      await this.#ended;
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function within<T>(limitMs: number, why: string, what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${why} within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([what, late]);
  } finally {
    clearTimeout(timer);
  }
}
