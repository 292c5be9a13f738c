/** What the layers are asked, and for how long. The machine answers as it is told to, the layers are servers of this process. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { LayerHealth } from '../../src/contract/health.js';
import { probeLayers } from '../../src/daemon/probe.js';
import { managed, type Running } from '../../src/machine/running.js';
import { FakeStack } from '../rig/fake-stack.js';
import { muteServer } from '../rig/mute-server.js';

/** Of the layers that are asked here; long enough for a busy machine. */
const limitMs = 2000;
let stack: FakeStack;
beforeEach(async () => {
  stack = await FakeStack.start();
});
afterEach(async () => {
  await stack.stop();
});

/** A testbed whose machine takes so long to say that it is well. */
async function connect(config?: string, machineMs = 0): Promise<Running> {
  const running = await stack.connect(stack.request({}, config));
  return Object.assign(running, {
    machine: {
      ...running.machine,
      health: async () => {
        await delay(machineMs);
        return { ok: true, detail: 'QMP says running' };
      },
    },
  });
}

function stateOf(layers: readonly LayerHealth[]): Record<string, string> {
  return Object.fromEntries(layers.map(({ layer, state }) => [layer, state]));
}

it('all answer', async () => {
  const running = await connect();
  stack.addVm(running);
  await expect.poll(() => running.hub.vm('vm1')?.state).toBe('running');
  expect(stateOf(await probeLayers(running, limitMs))).toEqual({
    ...{ host: 'ok', L0: 'ok', L1: 'ok', dom0: 'ok', L2: 'ok', 'vm:vm1': 'ok' },
  });
});

it('takes no longer than two answers may, whoever is slow or silent', async () => {
  const running = await connect('{}', 0.9 * limitMs);
  const server = await muteServer();
  const { l1, l2 = l1 } = managed(running);
  running.management = { l1: { ...l1, port: server.port }, l2: { ...l2, port: server.port } };
  const start = performance.now();
  const layers = await probeLayers(running, limitMs);
  // L2, and then dom0 about it, have what is left of it, not a limit each.
  expect(performance.now() - start).toBeLessThan(2.5 * limitMs);
  expect(stateOf(layers)).toMatchObject({ L0: 'ok', dom0: 'failing', L2: 'failing' });
  await server.stop();
});

describe("a crash of a system of the user's own", () => {
  const disk = '"disk": {"path": "/d", "format": "raw"}';
  const message = 'Kernel panic - not syncing: x';
  const l2Of = (layers: readonly LayerHealth[]): LayerHealth | undefined =>
    layers.find(({ layer }) => layer === 'L2');

  it('is told until a VM of it runs again', async () => {
    const running = await connect(`{"l2": {${disk}}}`);
    running.ownCrash = { message, at: performance.now() };
    stack.l1.addVm();
    await expect.poll(() => running.hub.list().length).toBe(1);
    // L1 does not yet know of that VM that it stands still.
    expect(l2Of(await probeLayers(running, limitMs))).toMatchObject({
      ...{ state: 'failing', detail: message },
    });
    running.ownCrash = { message, at: performance.now() - 30_000 };
    expect(l2Of(await probeLayers(running, limitMs))).toMatchObject({ state: 'ok' });
    expect(running.ownCrash).toBeUndefined();
  });

  it('is told until its SSH server answers', async () => {
    const key = stack.paths.clientKey;
    const running = await connect();
    await writeFile(key, running.secrets.client.privatePem);
    const own = await connect(`{"l2": {${disk}, "ssh": {"user": "root", "key": "${key}"}}}`);
    own.ownCrash = { message, at: performance.now() };
    const { l1, l2 = l1 } = managed(own);
    const server = await muteServer();
    own.management = { l1, l2: { ...l2, port: server.port } };
    expect(l2Of(await probeLayers(own, 200))).toMatchObject({
      ...{ state: 'failing', detail: `${message} (its SSH server does not answer within 0 s)` },
    });
    own.management = { l1, l2 };
    expect(l2Of(await probeLayers(own, limitMs))).toMatchObject({ state: 'ok' });
    expect(own.ownCrash).toBeUndefined();
    await server.stop();
  });
});
