/** What L1 is told. */
import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { xenCommandLine } from '../../src/layers/l1.js';
import { twoVms } from '../rig/layers.js';

describe('xenCommandLine', () => {
  it('fixes the memory of dom0', () => {
    expect(xenCommandLine(twoVms, 'tcg')).toContain('dom0_mem=640M,max:640M');
  });
  it('leaves the mitigations alone on a real CPU', () => {
    expect(xenCommandLine(twoVms, 'kvm')).not.toContain('spec-ctrl');
  });

  it('keeps time slices short where vCPUs of L2 wait for one another on one CPU', () => {
    const line = (text: string): string => xenCommandLine(parseConfig(text, 'f'), 'tcg');
    expect(line('{}')).not.toContain('sched=');
    expect(line('{"irq": "ultracall"}')).toContain('sched=credit');
    expect(line('{"irq": "ultracall", "l0": {"cpus": 2}}')).not.toContain('sched=');
  });
});
