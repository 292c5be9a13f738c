import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  consoleOf,
  countersOf,
  operatorLog,
  proofOf,
  setHltPolicy,
  setHook,
  startVm,
  stopVm,
} from '../../src/daemon/vm-management.js';
import { managed, type Running } from '../../src/machine/running.js';
import { listVms } from '../../src/machine/vms-in-l2.js';
import { FakeStack } from '../rig/fake-stack.js';
import { muteServer } from '../rig/mute-server.js';

let stack: FakeStack;
let running: Running;
beforeEach(async () => {
  stack = await FakeStack.start();
  running = await stack.connect();
});
afterEach(async () => {
  await stack.stop();
});
const soon = (): AbortSignal => AbortSignal.timeout(10_000);
/** What L2's operator did, without where his programs are. */
const inL2 = (): string[] => stack.calls.l2.map(({ command }) => command.replace(/^[^;]*; /, ''));

describe('startVm', () => {
  it('starts it as the operator does, and waits for its first access', async () => {
    stack.answer = () => {
      stack.addVm(running);
      return { stdout: 'warning: no such device\n' };
    };
    expect(await startVm(running, 'vm1', soon())).toEqual(['warning: no such device']);
    expect(inL2()).toEqual(["vm start 'vm1'"]);
    expect(running.wanted).toContain('vm1');
  });

  it('tells one that L2 cannot start from one that L1 never sees', async () => {
    stack.answer = () => ({ stderr: 'no memory\n', code: 1 });
    await expect(startVm(running, 'vm1', soon())).rejects.toMatchObject({
      code: 'E_VM_START',
      layer: 'L2',
      message: 'L2 cannot start vm1: no memory',
    });
    const request = stack.request();
    const config = { ...request.config, patience: 0.01 };
    const hasty = await stack.connect({ ...request, config });
    stack.answer = () => ({ stdout: 'no bootable device\n' });
    await expect(startVm(hasty, 'vm1', soon())).rejects.toMatchObject({
      code: 'E_VM_START',
      layer: 'L1',
      hint: 'Its QEMU in L2 said: no bootable device',
    });
  });

  it('knows one that was reset in place by what it prints', async () => {
    const vm = stack.addVm(running);
    await expect.poll(() => running.hub.list().length).toBe(1);
    stack.answer = () => {
      vm.print('SeaBIOS');
      return {};
    };
    expect(await startVm(running, 'vm1', soon())).toEqual([]);
  });

  it('starts none that is not configured', async () => {
    await expect(startVm(running, 'vm2', soon())).rejects.toMatchObject({ code: 'E_VM_UNKNOWN' });
    expect(stack.calls.l2).toEqual([]);
  });
});

describe('stopVm', () => {
  it('stops it, and wants it no more', async () => {
    await stopVm(running, 'vm1', soon());
    expect(inL2()).toEqual(["vm stop 'vm1'"]);
    expect(running.wanted).not.toContain('vm1');
  });

  it('says why L2 cannot, and goes on watching it', async () => {
    stack.answer = () => ({ stderr: 'its QEMU hangs\n', code: 1 });
    await expect(stopVm(running, 'vm1', soon())).rejects.toMatchObject({
      code: 'E_VM_STOP',
      message: 'L2 cannot stop vm1: its QEMU hangs',
    });
    expect(running.wanted).toContain('vm1');
  });
});

describe('setHook', () => {
  it('is done once L1 reports it, and holds for the VM when it starts again', async () => {
    const vm = stack.addVm(running);
    await expect.poll(() => running.hub.list().length).toBe(1);
    const switched = setHook(running, 'vm1', false, soon());
    expect(await vm.requested('hook')).toMatchObject({ on: false });
    vm.update({ hooked: false });
    expect(await switched).toEqual({ vm: 'vm1', hooked: false });
    vm.update({ state: 'gone' });
    const next = stack.l1.addVm({ slot: 1, generation: 2, uuid: vm.record.uuid });
    expect(await next.requested('hook')).toMatchObject({ on: false });
  });

  it('is kept for one that does not run', async () => {
    expect(await setHook(running, 'vm1', false, soon())).toEqual({ vm: 'vm1' });
    const vm = stack.addVm(running);
    expect(await vm.requested('hook')).toMatchObject({ on: false });
  });
});

describe('what is asked of a VM', () => {
  it('is its proof: what its serial device in L2 has seen, and what its console showed', async () => {
    stack.addVm(running).print('hello');
    await expect.poll(() => running.hub.vm('vm1')?.history.end).toBe(5);
    stack.answer = () => ({ stdout: '0\n' });
    expect(await proofOf(running, 'vm1', soon())).toEqual({
      ...{ vm: 'vm1', operatorBytes: 0, shadowBytes: 5 },
    });
    stack.answer = () => ({ stderr: 'no such file\n', code: 1 });
    await expect(proofOf(running, 'vm1', soon())).rejects.toMatchObject({ code: 'E_SSH' });
  });

  it('is what L1 alone can say, of one that is not ours', async () => {
    stack.l1.addVm({ uuid: '11111111-0000-4000-8000-000000000000' });
    await expect.poll(() => running.hub.list().length).toBe(1);
    expect(await proofOf(running, 'vm-11111111', soon())).toMatchObject({
      l1: { hooked: true, accesses: 1 },
    });
    expect(stack.calls.l2).toEqual([]);
  });

  it('is its HLT policy, its counters, and what L2 has on file of it', async () => {
    await expect(setHltPolicy(running, 'vm1', 'never')).rejects.toMatchObject({
      code: 'E_VM_GONE',
    });
    expect(() => consoleOf(running, 'vm1')).toThrow('does not know vm1 now');
    const vm = stack.addVm(running);
    await expect.poll(() => running.hub.list().length).toBe(1);
    await setHltPolicy(running, 'vm1', 'never');
    expect(await vm.requested('hltPolicy')).toMatchObject({ policy: 'never' });
    expect(await countersOf(running)).toMatchObject({ vms: [{ name: 'vm1' }] });
    stack.answer = () => ({ stdout: 'L2: qemu says\nlogin:' });
    expect(await operatorLog(running, 'vm1', 100, soon())).toBe('L2: qemu says\nlogin:');
  });
});

describe('an L2 that does not answer', () => {
  const asks: Record<string, () => Promise<unknown>> = {
    'vm start': async () => await startVm(running, 'vm1', soon()),
    'vm list': async () => await listVms(running, soon()),
    proof: async () => await proofOf(running, 'vm1', soon()),
    'logs vm:': async () => await operatorLog(running, 'vm1', 100, soon()),
  };
  it.each(Object.keys(asks))('has the time that the configuration gives it: %s', async (what) => {
    const server = await muteServer();
    const request = stack.request();
    running = await stack.connect({ ...request, config: { ...request.config, patience: 0.002 } });
    const { l1, l2 } = managed(running);
    running.management = { l1, ...(l2 === undefined ? {} : { l2: { ...l2, port: server.port } }) };
    await expect(asks[what]?.()).rejects.toMatchObject({
      code: 'E_SSH',
      message: expect.stringContaining('did not end within 0.24 s') as string,
    });
    await server.stop();
  });
});
