/** What is written down of a testbed that is saved, and what is not saved at all. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { FakeVm } from '../../rig/fake-vm.js';
import { setHook } from '../../../src/daemon/vm-management.js';
import type { VmRecord } from '../../../src/link/index.js';
import { setIrqMode } from '../../../src/machine/interrupts.js';
import type { Running } from '../../../src/machine/running.js';
import { readState } from '../../../src/machine/saved/folder.js';
import { keepState } from '../../../src/machine/saved/keep.js';
import { compare, type Runs } from '../../../src/machine/saved/runs.js';
import { snapshotFolder } from '../../../src/machine/saved/store.js';
import { FakeStack } from '../../rig/fake-stack.js';

let stack: FakeStack;
let running: Running;
let vm: FakeVm;
/** Of L2's operator. */
let listed: string;
const soon = (): AbortSignal => AbortSignal.timeout(15_000);

beforeEach(async () => {
  stack = await FakeStack.start();
  const config = '{"vms": [{"name": "vm1"}, {"name": "vm2", "autostart": false}]}';
  running = await stack.connect(stack.request({}, config));
  vm = stack.addVm(running);
  await expect.poll(() => running.hub.list().length).toBe(1);
  listed = 'vm1\trunning\t7\nvm2\tstopped\t-\n';
  stack.answer = () => ({ stdout: listed });
});
afterEach(async () => {
  await stack.stop();
});

async function saved(): Promise<Runs | undefined> {
  await keepState(running, 's', soon());
  return (await readState(snapshotFolder(stack.paths, 's')))?.snapshot.runs;
}

const left = { wanted: ['vm1'], hooks: {}, irq: 'direct' } as const;

describe('keepState', () => {
  it('writes down what runs, what is to run, and how', async () => {
    expect(await saved()).toEqual({ ...left, running: ['vm1'] });
    expect(stack.told.slice(-2)).toEqual(['stop', 'continue']);
    await setIrqMode(running, 'doorbell', soon());
    await setHook(running, 'vm2', false, soon());
    expect(await saved()).toMatchObject({ hooks: { vm2: false }, irq: 'doorbell' });
  });

  it('knows a user VM that was stopped, as soon as L1 has missed it, too', async () => {
    running.wanted.delete('vm1');
    listed = 'vm1\tstopped\t-\nvm2\tstopped\t-\n';
    setTimeout(() => vm.update({ state: 'silent' }), 200);
    expect(await saved()).toEqual({ ...left, wanted: [], running: [] });
  });

  it('knows one that was started by hand', async () => {
    const uuid = running.plan.vms[1]?.uuid;
    listed = 'vm1\trunning\t7\nvm2\trunning\t8\n';
    running.wanted.add('vm2');
    stack.l1.addVm({ slot: 1, uuid });
    expect(await saved()).toMatchObject({ running: ['vm1', 'vm2'], wanted: ['vm1', 'vm2'] });
  });

  it('keeps none where a console is left to L2, and lets the machine be', async () => {
    vm.update({ hooked: false });
    await expect.poll(() => running.hub.vm('vm1')?.vm?.hooked).toBe(false);
    await expect(saved()).rejects.toMatchObject({
      code: 'E_SKIPPED',
      message: expect.stringContaining('the console of vm1 is left to L2') as string,
    });
    expect(stack.told).not.toContain('stop');
  });

  it('keeps none with an interrupt path that was switched to since the boot', async () => {
    const { interrupts } = running;
    Object.defineProperty(interrupts, 'wanted', { value: 'net' });
    await expect(saved()).rejects.toMatchObject({
      code: 'E_SKIPPED',
      message: expect.stringContaining('the path net') as string,
    });
  });
});

describe('what L1 and L2 say of user VMs', () => {
  const planned = ['a', 'b'].map((name) => ({ name, uuid: `uuid-${name}` }));
  const record = (change: Partial<VmRecord>): VmRecord => ({
    ...{ slot: 0, generation: 1, state: 'running', hooked: true, domid: 1, uuid: undefined },
    ...{ doubtful: false, grown: false, evidence: [], outAcked: 0, outEnd: 0, inNext: 0 },
    ...change,
  });
  const look = (inL1: Partial<VmRecord>[], ...inL2: string[]): ReturnType<typeof compare> =>
    compare(
      planned as unknown as Parameters<typeof compare>[0],
      inL1.map(record),
      inL2.map((name) => ({ name, state: 'running', pid: 1 })),
    );

  it('is what runs where both say the same', () => {
    expect(look([{ uuid: 'uuid-b' }, { uuid: 'uuid-a', state: 'silent' }], 'b')).toEqual({
      names: ['b'],
    });
  });

  it.each<[string, Partial<VmRecord>[], string[]]>([
    ['one boots, and has not printed yet', [], ['a']],
    ['one was stopped in L2, where it still is', [{ uuid: 'uuid-a', state: 'silent' }], ['a']],
    ['one ended a moment ago', [{ uuid: 'uuid-a' }], []],
    ['one has no label yet', [{}], []],
    ['it may be another', [{ uuid: 'uuid-a', doubtful: true }], ['a']],
    ['two say that they are the same', [{ uuid: 'uuid-a' }, { uuid: 'uuid-a' }], ['a']],
  ])('is in doubt where %s', (_, inL1, inL2) => {
    expect(look(inL1, ...inL2).doubt).toBeDefined();
  });

  it('is not to be saved where one is of nobody here', () => {
    expect(() => look([{ uuid: '1111aaaa-0000-4000-8000-000000000000' }])).toThrow(
      expect.objectContaining({ code: 'E_SKIPPED' }) as Error,
    );
  });
});
