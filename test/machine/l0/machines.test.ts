/** Each make of L0's machine by the one interface, with a fake in its place. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { processState } from '../../../src/base/process-identity.js';
import { BochsMachine } from '../../../src/machine/l0/bochs.js';
import type { L0Machine } from '../../../src/machine/l0/machine.js';
import { describeExit, StartedProcess } from '../../../src/machine/l0/process.js';
import { QemuMachine } from '../../../src/machine/l0/qemu.js';
import { freshLog, type LayerLog } from '../../../src/machine/layer-log.js';
import { FakeQmp } from '../../rig/fake-qmp.js';
import { planFakeBochs } from '../../rig/fake-bochs.js';
import { startLivingProcess } from '../../rig/living-process.js';

let directory: string;
let log: LayerLog;
let machine: L0Machine | undefined;
const signal = AbortSignal.timeout(30_000);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-machine-'));
  log = freshLog(join(directory, 'machine.log'));
});

afterEach(async () => {
  await machine?.process.stop(0);
  machine = undefined;
  log.close();
  await rm(directory, { recursive: true, force: true });
});

async function startBochs(body?: string): Promise<BochsMachine> {
  const plan = await planFakeBochs(directory, body);
  const bochs = new BochsMachine(await StartedProcess.start(plan, log));
  machine = bochs;
  return bochs;
}

describe('BochsMachine', () => {
  it('is open once it listens, and knows its ports in their order', async () => {
    const ports = log.expect((line) => /^\d+ \d+$/.test(line));
    const bochs = await startBochs();
    expect(bochs.isOpen).toBe(false);
    await bochs.open(signal);
    expect(bochs.isOpen).toBe(true);
    const [l1, l2] = (await ports(signal)).split(' ').map(Number);
    const portTo = await bochs.forwards(signal);
    expect([portTo('10.0.2.15', 22), portTo('10.0.2.16', 22)]).toEqual([l1, l2]);
    expect(() => portTo('10.0.2.17', 22)).toThrow(/forwards no port/);
    expect(() => portTo('10.0.2.16', 80)).toThrow(/forwards no port/);
    expect(await bochs.health()).toMatchObject({ ok: true });
  });

  it('says that it has ended instead of waiting for ever', async () => {
    const bochs = await startBochs('process.exit(3);');
    await expect(bochs.open(signal)).rejects.toMatchObject({ code: 'E_QEMU_EXITED' });
    expect(describeExit(await bochs.process.exited)).toBe('ended with exit code 3');
    expect(await bochs.health()).toMatchObject({ ok: false });
  });

  it('stops where it is, goes on, and ends also while it is stopped', async () => {
    const bochs = await startBochs();
    await bochs.open(signal);
    const state = async (): Promise<string | undefined> =>
      await processState(bochs.process.identity);
    await bochs.stop();
    await expect.poll(state).toBe('T');
    await bochs.continue();
    await expect.poll(state).not.toBe('T');
    await bochs.stop();
    await bochs.end();
    expect(bochs.process.exit).toMatchObject({ signal: 'SIGTERM' });
  });

  it('keeps no state, and says so', async () => {
    const bochs = await startBochs();
    await expect(bochs.save()).rejects.toMatchObject({ code: 'E_SKIPPED' });
    await expect(bochs.restore()).rejects.toMatchObject({ code: 'E_SKIPPED' });
  });
});

describe('QemuMachine', () => {
  let qmp: FakeQmp;

  beforeEach(async () => {
    qmp = await FakeQmp.start();
  });

  afterEach(async () => {
    await qmp.stop();
  });

  async function open(accel: 'tcg' | 'kvm' = 'tcg'): Promise<QemuMachine> {
    const { child, identity } = await startLivingProcess(['qemu']);
    const process = {
      identity,
      exited: new Promise<never>(() => undefined),
      exit: undefined,
      release: () => undefined,
      stop: () => Promise.resolve(void child.kill('SIGKILL')),
    };
    const stateSocket = join(directory, 'state.sock');
    const options = { accel, qmpSocket: qmp.path, stateSocket, log: () => undefined };
    const qemu = new QemuMachine({ process, ...options });
    machine = qemu;
    const opening = qemu.open(signal, 5000);
    await qmp.handshake();
    await opening;
    return qemu;
  }

  /** Answers the next command. @returns what it was */
  async function answer(value: unknown): Promise<string> {
    const { execute, id } = await qmp.command();
    await qmp.send({ return: value, id });
    return execute;
  }

  it('counts the requests of its disks', async () => {
    const qemu = await open();
    const counting = qemu.diskRequests();
    const disk = { stats: { rd_operations: 3, wr_operations: 4 } };
    expect(await answer([disk, disk])).toBe('query-blockstats');
    expect(await counting).toBe(14);
  });

  it('is well while it runs', async () => {
    const qemu = await open();
    const first = qemu.health(5000);
    await answer({ status: 'running' });
    expect(await first).toEqual({ ok: true, detail: 'QMP says running' });
    const second = qemu.health(5000);
    await answer({ status: 'paused' });
    expect(await second).toEqual({ ok: false, detail: 'QMP says paused' });
    await qmp.disconnect();
    await expect.poll(() => qemu.isOpen).toBe(false);
    expect(await qemu.health(5000)).toEqual({ ok: false, detail: 'QMP is closed' });
  });

  it('must be stopped between guests under TCG only', async () => {
    expect((await open('tcg')).stopsBetweenGuestsOnly).toBe(true);
    await machine?.process.stop(0);
    await qmp.stop();
    qmp = await FakeQmp.start();
    expect((await open('kvm')).stopsBetweenGuestsOnly).toBe(false);
  });

  it('shows its registers as evidence, more than once', async () => {
    const qemu = await open();
    const registers = qemu.evidence(signal).find(({ file }) => file === 'registers.txt');
    const shown = registers?.content();
    for (let sample = 0; sample < 8; sample++) await answer('RIP=1234\r\n');
    expect((await shown)?.match(/# sample \d.*\nRIP=1234\n/g)).toHaveLength(8);
  });
});
