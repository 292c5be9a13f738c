import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { assertIrqMode, hltPolicyOf, l2Vcpus } from '../../src/config/interrupts.js';
import { loadConfig, parseConfig } from '../../src/config/load.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-config-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('the interrupt path', () => {
  it('gives L2 a second vCPU for ultracalls, unless the configuration says how many', () => {
    expect(l2Vcpus(parseConfig('{}', 'f'))).toBe(1);
    expect(l2Vcpus(parseConfig('{"irq": "net"}', 'f'))).toBe(1);
    expect(l2Vcpus(parseConfig('{"irq": "ultracall"}', 'f'))).toBe(2);
    expect(l2Vcpus(parseConfig('{"irq": "ultracall", "l2": {"vcpus": 4}}', 'f'))).toBe(4);
  });

  it('decides when HLTs are captured, unless the configuration does', () => {
    const config = parseConfig('{}', 'f');
    expect(hltPolicyOf(config, 'doorbell')).toBe('adaptive');
    expect(hltPolicyOf(config, 'net')).toBe('never');
    expect(hltPolicyOf(parseConfig('{"hltPolicy": "always"}', 'f'), 'net')).toBe('always');
  });

  it('cannot be ultracalls in an L2 with one vCPU, also not later', () => {
    const config = parseConfig('{}', 'f');
    expect(() => assertIrqMode(config, 'net')).not.toThrow();
    expect(() => assertIrqMode(config, 'ultracall')).toThrow(
      expect.objectContaining({ code: 'E_IRQ_MODE', exitCode: 2 }) as Error,
    );
  });

  it('is what --irq says', async () => {
    const config = await loadConfig({ directory, irqMode: 'ultracall' });
    expect({ irq: config.irq, vcpus: l2Vcpus(config) }).toEqual({ irq: 'ultracall', vcpus: 2 });
    await writeFile(join(directory, 'vsbypass.json'), '{"irq": "net", "l2": {"vcpus": 1}}');
    expect((await loadConfig({ directory })).irq).toBe('net');
    await expect(loadConfig({ directory, irqMode: 'ultracall' })).rejects.toMatchObject({
      code: 'E_IRQ_MODE',
    });
  });
});
