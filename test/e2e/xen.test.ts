/** L2 = Xen in brief: it boots, and its user VM's console is secure. `long` has the rest. */
import { afterAll, beforeAll, expect, it } from 'vitest';

import { CommandLine, type Status } from './command-line.js';
import { logIn, shell } from './guest-shell.js';

let cli: CommandLine;
let status: Status;

beforeAll(async () => {
  cli = await CommandLine.create();
  status = await cli.json<Status>(['-v', 'up', '--l2', 'xen', '--cold', '--show-password'], {
    timeoutMs: 1_800_000,
  });
});

afterAll(async () => {
  await cli.dispose();
});

it('brings its user VM up, shadowed', () => {
  expect(status).toMatchObject({
    state: 'running',
    vms: [{ name: 'vm1', state: 'running', hooked: true }],
  });
});

it('takes what is typed, and answers', async () => {
  await logIn(cli, 'vm1', status.vms[0]?.password ?? '');
  expect(await shell(cli, 'vm1', 'echo $((6 * 7))')).toBe('42\n');
});

it("has nothing of it in L2's own serial device", async () => {
  const proof = await cli.json<{ operatorBytes: number; shadowBytes: number }>(['proof', 'vm1']);
  expect(proof.operatorBytes).toBe(0);
  expect(proof.shadowBytes).toBeGreaterThan(5000);
});

it('begins again from a saved state, with another password', async () => {
  await cli.must(['down']);
  const { code, stderr } = await cli.run(['-v', 'up', '--l2', 'xen'], { timeoutMs: 600_000 });
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('renew: ready');
  const { vms } = await cli.json<Status>(['status', '--show-password']);
  expect(vms[0]?.password).not.toBe(status.vms[0]?.password);
  expect(await cli.must(['console', 'run', 'vm1', '--', 'hostname'])).toBe('vm1\n');
});
