/** What happens to an instance when things go wrong: interruptions, killed processes, two commands at once. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CommandLine, sendTo, type Status } from './command-line.js';
import { patientMs } from './limits.js';

let cli: CommandLine;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
});

afterAll(async () => {
  await cli.dispose();
});

const upLimitMs = 600_000;
const statusOf = async (): Promise<Status> => await cli.json<Status>(['status']);

/** Waits for processes to be gone that nobody has to wait for. */
async function nothingRuns(): Promise<void> {
  await expect.poll(async () => await cli.processes(), { timeout: patientMs(30_000) }).toEqual([]);
}

describe('an interrupted up', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('leaves nothing running after %s', async (signal, code) => {
    const up = cli.start(['up', '--cold'], { timeoutMs: upLimitMs });
    await up.until('l1-xen: ready');
    up.child.kill(signal);
    expect((await up.finished).code).toBe(code);
    expect(await cli.processes()).toEqual([]);
    expect((await statusOf()).state).toBe('stopped');
  });

  it('is cleaned up by the daemon when its client is killed', async () => {
    const up = cli.start(['up', '--cold'], { timeoutMs: upLimitMs });
    await up.until('link: ready');
    up.child.kill('SIGKILL');
    await up.finished;
    await nothingRuns();
    expect((await statusOf()).state).toBe('stopped');
  });
});

describe('an up that cannot work', () => {
  it('leaves nothing behind when the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const config = join(cli.directory, 'taken.json');
    await writeFile(config, JSON.stringify({ console: { port } }));
    const { code, stderr } = await cli.run(['up', '--config', config], { timeoutMs: upLimitMs });
    server.close();
    expect(code).toBe(3);
    expect(stderr).toContain('E_PORT_TAKEN');
    expect(await cli.processes()).toEqual([]);
  });

  it('names the layer, the phase and its last lines when a limit is missed', async () => {
    const config = join(cli.directory, 'impatient.json');
    await writeFile(config, JSON.stringify({ patience: 0.1 }));
    const up = cli.start(['up', '--cold', '--config', config], { timeoutMs: upLimitMs });
    // A very slow machine misses an earlier limit by itself.
    const inTime = await up.until('link: ready').then(
      () => true,
      () => false,
    );
    // However fast the machine is: after this nothing comes.
    if (inTime) sendTo((await statusOf()).processes.qemu, 'SIGSTOP');
    const { code, stderr } = await up.finished;
    expect(code, stderr).toBe(4);
    expect(stderr).toMatch(/L\d failed in phase [\w:-]+, waiting for .*\[E_LAYER_TIMEOUT\]/);
    // QEMU says nothing by itself; Xen has by then.
    if (inTime) expect(stderr).toMatch(/ {2}last lines:\n(?: {2}\|.*\n)* {2}\| \S/);
    expect(stderr).toContain('log: ');
    expect(stderr).toContain('hint: ');
    expect(await cli.processes()).toEqual([]);
  });
});

describe('a running instance', () => {
  it('survives everything: a second up, a killed QEMU, a killed daemon', async () => {
    const up = cli.start(['up'], { timeoutMs: upLimitMs });
    await up.until('qemu: ready');
    const second = await cli.run(['up']);
    expect(second.code).toBe(2);
    expect(second.stderr).toContain('E_BUSY');
    expect((await up.finished).code).toBe(0);

    const { processes } = await statusOf();
    sendTo(processes.qemu, 'SIGKILL');
    await expect
      .poll(async () => (await statusOf()).state, { timeout: patientMs(20_000) })
      .toBe('broken');
    expect((await statusOf()).reason).toContain('SIGKILL');
    const console = await cli.run(['console', 'vm1', '--expect', 'x', '--timeout', '5']);
    expect(console.code).toBe(2);

    const recovered = await cli.run(['up'], { timeoutMs: upLimitMs });
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(recovered.stderr).toContain('cleared away');

    const again = await statusOf();
    sendTo(again.processes.daemon, 'SIGKILL');
    await expect
      .poll(async () => (await statusOf()).state, { timeout: patientMs(20_000) })
      .toBe('broken');
    expect((await statusOf()).reason).toContain(`QEMU (pid ${again.processes.qemu}) still runs`);

    await cli.must(['down']);
    await nothingRuns();
    expect((await statusOf()).state).toBe('stopped');
    await cli.must(['down']);
  });
});
