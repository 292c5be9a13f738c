import { describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import type { BootEvent } from '../../src/contract/events.js';
import { runPhases, type Phase } from '../../src/machine/phases.js';

const phase = (name: string, run: Phase['run'], limitMs = 60_000): Phase => ({
  name,
  layer: 'L1',
  awaited: `${name} to come`,
  limitMs,
  hint: 'look there',
  log: { path: '/log/l1.log', lastLines: () => ['last words'] },
  run,
});
const never: Phase['run'] = (signal) =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );

function harness(): {
  events: BootEvent[];
  abort: AbortController;
  failed: AbortController;
  readonly run: (phases: Phase[]) => Promise<void>;
} {
  const events: BootEvent[] = [];
  const abort = new AbortController();
  const failed = new AbortController();
  let clock = 0;
  return {
    events,
    abort,
    failed,
    run: async (phases) =>
      await runPhases(phases, {
        signal: abort.signal,
        failed: failed.signal,
        emit: (event) => events.push(event),
        now: () => (clock += 100),
      }),
  };
}

describe('runPhases', () => {
  it('runs the phases in their order and reports each with its time', async () => {
    const { events, run } = harness();
    await run([phase('a', () => Promise.resolve()), phase('b', () => Promise.resolve())]);
    expect(events.map(({ phase, reason }) => `${phase} ${reason}`)).toEqual([
      'a started',
      'a passed',
      'b started',
      'b passed',
    ]);
    expect(events[3]).toMatchObject({ elapsedMs: 100, totalMs: 600 });
  });

  it('names phase, layer, what was waited for, last lines, log and hint at the limit', async () => {
    const { events, run } = harness();
    await expect(run([phase('slow', never, 10)])).rejects.toMatchObject({
      code: 'E_LAYER_TIMEOUT',
      exitCode: 4,
      layer: 'L1',
      hint: 'look there',
      message: 'L1 failed in phase slow, waiting for slow to come: it did not come within 0.01 s',
      details: { phase: 'slow', log: '/log/l1.log', lastLines: ['last words'] },
    });
    expect(events.at(-1)).toMatchObject({ phase: 'slow', reason: 'failed' });
  });

  it('asks at the limit for a hint that says more, and at no other end', async () => {
    const { failed, run } = harness();
    const explained = (hint: string | undefined): Phase => ({
      ...phase('slow', never, 10),
      explain: () => Promise.resolve(hint),
    });
    await expect(run([explained('it is asleep')])).rejects.toMatchObject({ hint: 'it is asleep' });
    await expect(run([explained(undefined)])).rejects.toMatchObject({ hint: 'look there' });
    failed.abort(new VsbError('E_QEMU_EXITED', 'QEMU was killed', { hint: 'see qemu.log' }));
    await expect(run([explained('it is asleep')])).rejects.toMatchObject({ hint: 'see qemu.log' });
  });

  it('adds where the machine stands to the error of a layer, and to no other', async () => {
    const failed = new AbortController().signal;
    const run = async (signal: AbortSignal, work: Phase['run']): Promise<unknown> =>
      await runPhases([phase('slow', work, 10)], {
        ...{ signal, failed, emit: () => undefined, now: () => 0 },
        evidence: () => Promise.resolve({ evidence: '/kept' }),
      }).catch((error: unknown) => error);
    const { signal } = new AbortController();
    expect(await run(signal, never)).toMatchObject({
      code: 'E_LAYER_TIMEOUT',
      details: { evidence: '/kept', log: '/log/l1.log' },
    });
    const taken = new VsbError('E_PORT_TAKEN', 'port 1 is taken');
    expect(await run(signal, () => Promise.reject(taken))).toBe(taken);
  });

  it('fails at once when a layer has failed, and gives its reason', async () => {
    const { failed, run } = harness();
    const running = run([phase('slow', never)]);
    failed.abort(new VsbError('E_QEMU_EXITED', 'QEMU was killed', { hint: 'see qemu.log' }));
    await expect(running).rejects.toMatchObject({
      code: 'E_LAYER_FAILED',
      message: expect.stringContaining('QEMU was killed') as string,
      hint: 'see qemu.log',
    });
  });

  it('does not begin a phase once a layer has failed', async () => {
    const { failed, run } = harness();
    failed.abort(new VsbError('E_LAYER_FAILED', 'gone'));
    await expect(run([phase('a', () => Promise.resolve())])).rejects.toMatchObject({
      code: 'E_LAYER_FAILED',
    });
  });

  it('throws the reason of the signal as it is', async () => {
    const { abort, run } = harness();
    const running = run([phase('slow', never)]);
    abort.abort(new VsbError('E_INTERRUPTED', 'ended by SIGINT'));
    await expect(running).rejects.toMatchObject({ code: 'E_INTERRUPTED', exitCode: 130 });
  });

  it('leaves what the host lacks with its own code', async () => {
    const { run } = harness();
    const taken = new VsbError('E_PORT_TAKEN', 'port 1 is taken');
    await expect(run([phase('link', () => Promise.reject(taken))])).rejects.toBe(taken);
  });
});
