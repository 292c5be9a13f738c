import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { judge, type LayerHealth } from '../../src/contract/health.js';
import { ClockWatch } from '../../src/daemon/clock.js';
import { Monitor } from '../../src/daemon/monitor.js';
import { onTrouble, PanicWatch, type Trouble } from '../../src/daemon/panic.js';
import { LayerLog } from '../../src/machine/layer-log.js';
import { RotatingLog } from '../../src/state/logs/rotating-log.js';

const layer = (name: string, state: LayerHealth['state'], detail = 'd'): LayerHealth => ({
  layer: name,
  state,
  detail,
});

describe('judge', () => {
  it('is running when all layers are well, or not yet asked', () => {
    expect(judge([])).toEqual({ state: 'running' });
    expect(judge([layer('L0', 'ok'), layer('vm:vm1', 'ok')])).toEqual({ state: 'running' });
  });

  it('is degraded while the consoles that are left work, and names every reason', () => {
    const layers = [layer('dom0', 'failing', 'silent'), layer('vm:vm1', 'failing', 'it has ended')];
    expect(judge(layers)).toEqual({
      state: 'degraded',
      reason: 'dom0: silent; vm:vm1: it has ended',
    });
  });

  it('is broken when a layer that all others need is dead, and says only that', () => {
    const layers = [layer('L2', 'dead', 'its domain has ended'), layer('vm:vm1', 'failing')];
    expect(judge(layers)).toEqual({ state: 'broken', reason: 'L2: its domain has ended' });
  });

  it('blames no layer whose state cannot be known', () => {
    expect(judge([layer('L0', 'failing', 'stopped'), layer('L1', 'unknown')])).toEqual({
      state: 'degraded',
      reason: 'L0: stopped',
    });
  });
});

describe('PanicWatch', () => {
  const found = (...lines: string[]): (string | undefined)[] => {
    const watch = new PanicWatch();
    return lines.map((line) => watch.take(line));
  };

  it('knows a panic of Linux, with its message', () => {
    expect(found('[    9.1] Kernel panic - not syncing: sysrq triggered crash')).toEqual([
      'Kernel panic - not syncing: sysrq triggered crash',
    ]);
  });

  it.each([
    'Kernel panic - not syncing: x',
    '[    9.1][    T1] Kernel panic - not syncing: x',
    'debian login: [   91.123456] Kernel panic - not syncing: x\r',
  ])('knows it by where it stands: %j', (line) => {
    expect(found(line)).toEqual(['Kernel panic - not syncing: x']);
  });

  it.each([
    'kernel: Kernel panic - not syncing: x',
    "# grep 'Kernel panic - not syncing: x' old",
    '(d1) [    9.1] Kernel panic - not syncing: x',
  ])('takes no talk of one for it: %j', (line) => {
    expect(found(line)).toEqual([undefined]);
  });

  it('knows a panic of Xen, whose message is on the next line', () => {
    const star = '(XEN) ****************************************';
    expect(found(star, '(XEN) Panic on CPU 0:', '(XEN) FATAL PAGE FAULT', star)).toEqual([
      undefined,
      undefined,
      'Xen panic: FATAL PAGE FAULT',
      undefined,
    ]);
  });

  it('knows the end of dom0', () => {
    expect(found('(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.')).toEqual([
      'Hardware Dom0 crashed: rebooting machine in 5 seconds.',
    ]);
  });

  it('is not alarmed by talk', () => {
    expect(found('panic=5 console=hvc0', '(XEN) Brought up 1 CPUs')).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe('onTrouble', () => {
  it('quotes a layer in one short line that commands no terminal', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-trouble-'));
    const log = new LayerLog(new RotatingLog(join(directory, 'l2.log'), { encoding: 'latin1' }));
    const troubles: Trouble[] = [];
    onTrouble(log, (trouble) => troubles.push(trouble));
    const panic = 'Kernel panic - not syncing: \x1b]52;c;ZXZpbA==\x07\x9b2J';
    log.push(Buffer.from(`${panic}\nvsbypass-l2: error: ${'x'.repeat(5000)}\n`, 'latin1'));
    expect(troubles[0]).toEqual({ crashed: true, message: 'Kernel panic - not syncing: 2J' });
    expect(troubles[1]?.crashed).toBe(false);
    expect(troubles[1]?.message.length).toBeLessThanOrEqual(1000);
    log.close();
    await rm(directory, { recursive: true });
  });
});

describe('ClockWatch', () => {
  it('notices a clock that was set, once, and no drift', () => {
    const watch = new ClockWatch(1_000_000, 0);
    expect(watch.look(1_005_100, 5000)).toBeUndefined();
    expect(watch.look(4_610_000, 10_000)).toEqual({
      seconds: 3600,
      at: new Date(4_610_000).toISOString(),
    });
    expect(watch.look(4_615_000, 15_000)).toBeUndefined();
    expect(watch.look(1_015_000, 20_000)?.seconds).toBe(-3605);
  });
});

describe('Monitor', () => {
  afterEach(() => void vi.useRealTimers());

  it('asks the layers once, however many ask it, and again when the answer is old', async () => {
    vi.useFakeTimers();
    const log: string[] = [];
    let layers = [layer('L0', 'ok')];
    const probe = vi.fn(() => Promise.resolve(layers));
    const monitor = new Monitor({ probe, log: (text) => log.push(text) });
    await Promise.all([monitor.refresh(), monitor.refresh()]);
    await monitor.refresh();
    expect(probe).toHaveBeenCalledTimes(1);
    layers = [layer('L2', 'dead', 'gone')];
    await vi.advanceTimersByTimeAsync(4000);
    await monitor.refresh();
    expect(monitor.verdict.state).toBe('broken');
    expect(log).toEqual(['health: L2: gone']);
    monitor.stop();
  });

  it('looks by itself now and then, and not after its end', async () => {
    vi.useFakeTimers();
    const probe = vi.fn(() => Promise.resolve([]));
    const monitor = new Monitor({ probe, log: () => undefined });
    await vi.advanceTimersByTimeAsync(130_000);
    expect(probe).toHaveBeenCalledTimes(2);
    monitor.stop();
    await vi.advanceTimersByTimeAsync(130_000);
    expect(probe).toHaveBeenCalledTimes(2);
  });

  it('remembers that the clock was set', () => {
    vi.useFakeTimers();
    const monitor = new Monitor({ probe: () => Promise.resolve([]), log: () => undefined });
    vi.setSystemTime(Date.now() + 86_400_000);
    monitor.lookAtClock();
    expect(monitor.clockJump?.seconds).toBe(86_400);
    monitor.stop();
  });
});
