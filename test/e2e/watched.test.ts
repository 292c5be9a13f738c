/** An operator of L2 who debugs the user VM with QEMU's own debug stub: L1 sees it, and those at the console are told. */
import { afterAll, beforeAll, expect, it } from 'vitest';

import { packet } from '../../src/verify/debug-stub.js';
import { CommandLine, type RunningCommand, type Status } from './command-line.js';
import { logIn, shell } from './guest-shell.js';
import { patientMs } from './limits.js';

/** Never reached: where a breakpoint is does not matter. */
const somewhere = 'ffffffff81000000';

const ok = /^OK$/;
const stopped = /^T/;

let cli: CommandLine;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  const status = await cli.json<Status>(['up', '--l2', 'kvm', '--show-password'], {
    timeoutMs: 1_800_000,
  });
  await logIn(cli, 'vm1', status.vms[0]?.password ?? '');
  // As its operator would: a line for QEMU's monitor.
  const started = await cli.ssh(
    'l2',
    'cat /run/vm/vm1/monitor.out > /run/answers & echo "gdbserver tcp:127.0.0.1:1234" > /run/vm/vm1/monitor.in; ' +
      'for i in $(seq 60); do grep -q "Waiting for gdb" /run/answers && exit 0; sleep 1; done; exit 1',
  );
  expect(started.code, started.stdout + started.stderr).toBe(0);
});

afterAll(async () => {
  await cli.dispose();
});

/** A debugger at the stub: GDB's Remote Serial Protocol (GDB manual, appendix E), as much of it as is used. */
class Debugger {
  readonly #running: RunningCommand;
  #read = 0;

  static async attach(): Promise<Debugger> {
    const gdb = new Debugger(await cli.startSsh('l2', 'nc 127.0.0.1 1234'));
    await gdb.ask('?', stopped);
    return gdb;
  }

  private constructor(running: RunningCommand) {
    this.#running = running;
  }

  /** Sends a request, and gives its answer: where the VM has stopped is told at any time. */
  async ask(request: string, answer: RegExp): Promise<string> {
    this.send(request);
    return await this.next(answer);
  }

  send(request: string): void {
    this.#running.child.stdin.write(packet(request));
  }

  async interrupt(): Promise<void> {
    this.#running.child.stdin.write('\x03');
    await this.next(stopped);
  }

  /** The next packet of that kind. */
  async next(wanted: RegExp): Promise<string> {
    let packet = '';
    await expect
      .poll(
        () => {
          const found = /\$([^#]*)#[0-9a-f]{2}/.exec(this.#running.output().slice(this.#read));
          if (found === null) return undefined;
          this.#read += found.index + found[0].length;
          packet = found[1] ?? '';
          this.#running.child.stdin.write('+');
          return packet;
        },
        { timeout: patientMs(20_000), interval: 20 },
      )
      .toMatch(wanted);
    return packet;
  }

  async detach(): Promise<void> {
    await this.ask('D', ok);
    this.#running.child.stdin.end();
    await this.#running.finished;
  }
}

const countersOf = async (): Promise<Record<string, number>> => {
  const { vms } = await cli.json<{ vms: { counters: Record<string, number> }[] }>(['counters']);
  return vms[0]?.counters ?? {};
};

type Watched = { readonly kind: string; readonly until?: string };
const watched = async (): Promise<readonly Watched[]> =>
  (await cli.json<Status & { vms: { watched?: readonly Watched[] }[] }>(['status'])).vms[0]
    ?.watched ?? [];

const nothingYet = { stepped: 0, breakpoints: 0, rewritten: 0 };

it('has seen nothing of an L2 that starts the VM and runs it', async () => {
  expect(await shell(cli, 'vm1', 'seq 1000 | tail -n 1')).toBe('1000\n');
  expect(await countersOf()).toMatchObject(nothingYet);
  expect(await watched()).toEqual([]);
});

it('tells those at the console of single steps, while they go on', async () => {
  const looking = cli.start(['console', 'vm1', '--watch', '--replay', 'none']);
  const gdb = await Debugger.attach();
  for (let step = 0; step < 5; step++) await gdb.ask('s', stopped);
  await looking.until('L2 is watching this VM: single steps seen since');
  expect(await watched()).toMatchObject([{ kind: 'stepped' }]);
  await gdb.detach();
  await looking.until('L2 has watched this VM: single steps seen');
  looking.child.kill('SIGINT');
  await looking.finished;
  expect((await countersOf())['stepped']).toBeGreaterThan(0);
});

it.each([
  ['hardware', '1'],
  ['software', '0'],
])('sees %s breakpoints', async (_, type) => {
  const before = (await countersOf())['breakpoints'] ?? 0;
  const gdb = await Debugger.attach();
  await gdb.ask(`Z${type},${somewhere},1`, ok);
  gdb.send('c');
  await expect
    .poll(async () => (await countersOf())['breakpoints'], { timeout: patientMs(20_000) })
    .toBeGreaterThan(before);
  await gdb.interrupt();
  await gdb.ask(`z${type},${somewhere},1`, ok);
  await gdb.detach();
});

it('sees registers that were written, and who comes later is told', async () => {
  const gdb = await Debugger.attach();
  const registers = await gdb.ask('g', /^[0-9a-f]{400,}$/);
  // The lowest digit of R15, which waits for nothing in an idle VM.
  const [r15, digit] = [15 * 16, registers.charAt(15 * 16) === '1' ? '2' : '1'];
  const written = registers.slice(0, r15) + digit + registers.slice(r15 + 1);
  await gdb.ask(`G${written}`, ok);
  gdb.send('c');
  await expect
    .poll(async () => (await countersOf())['rewritten'], { timeout: patientMs(20_000) })
    .toBe(1);
  await gdb.interrupt();
  await gdb.detach();
  const { stderr } = await cli.run(['console', 'vm1', '--watch', '--expect', 'Linux version']);
  expect(stderr).toContain('written registers seen');
});
