import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { documents } from '../../src/contract/documents/documents.js';
import type { Handlers } from '../../src/daemon/server.js';
import { CliInstance } from '../rig/cli-instance.js';
import { ConsoleRig } from '../rig/console-rig.js';

let rig: ConsoleRig;
let instance: CliInstance;
let asked: string[];

const take =
  (verb: string): Handlers['vm.start'] =>
  ({ vm }) => {
    asked.push(`${verb} ${vm}`);
    if (vm !== 'vm1') throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${vm}'`);
    return Promise.resolve({});
  };

beforeEach(async () => {
  asked = [];
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig, { 'vm.start': take('start'), 'vm.stop': take('stop') });
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
    expect(document).toEqual({ schemaVersion: 1, vm: 'vm1', operatorState });
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
