import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { documents } from '../../src/contract/documents/documents.js';
import type { Handlers } from '../../src/daemon/server.js';
import { CliInstance } from '../rig/cli-instance.js';
import { ConsoleRig } from '../rig/console-rig.js';

let rig: ConsoleRig;
let instance: CliInstance;
let asked: string[];
let said: string[];

const take = (verb: string, vm: string): void => {
  asked.push(`${verb} ${vm}`);
  if (vm !== 'vm1') throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${vm}'`);
};
const start: Handlers['vm.start'] = async ({ vm }) => {
  take('start', vm);
  return await Promise.resolve({ said });
};
const stop: Handlers['vm.stop'] = async ({ vm }) => {
  take('stop', vm);
  return await Promise.resolve({});
};

beforeEach(async () => {
  asked = [];
  said = [];
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig, { 'vm.start': start, 'vm.stop': stop });
});
afterEach(async () => {
  await instance.stop();
  await rig.stop();
});

describe.each([
  ['start', 'running'],
  ['stop', 'stopped'],
] as const)('vm %s', (verb, operatorState) => {
  it('prints the published document with --json, and nothing without', async () => {
    const { code, stdout } = await instance.run(['vm', verb, 'vm1', '--json']);
    expect(code).toBe(0);
    const document: unknown = JSON.parse(stdout);
    const more = verb === 'start' ? { said } : {};
    expect(document).toEqual({ schemaVersion: 1, vm: 'vm1', operatorState, ...more });
    expect(documents[`vm-${verb}`]?.schema.parse(document)).toEqual(document);
    expect(await instance.run(['vm', verb, 'vm1'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(asked).toEqual([`${verb} vm1`, `${verb} vm1`]);
  });

  it('prints the document of its failure with --json', async () => {
    const { code, stdout } = await instance.run(['vm', verb, 'vm9', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_VM_UNKNOWN' } });
  });
});

it('vm start shows what QEMU in L2 has said', async () => {
  said = ["Could not open option rom 'multiboot_dma.bin': No such file or directory"];
  expect(await instance.run(['vm', 'start', 'vm1'])).toEqual({
    code: 0,
    stdout: '',
    stderr: `QEMU in L2: ${said.join()}\n`,
  });
  const { stdout } = await instance.run(['vm', 'start', 'vm1', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ said });
});
