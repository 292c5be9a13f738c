import { describe, expect, it } from 'vitest';

import { configurations } from '../../src/bench/configurations/index.js';
import type { MeasureName } from '../../src/bench/measures/cell.js';
import { kindsFor } from '../../src/bench/run.js';

const kinds = (measures: readonly MeasureName[], without = /^$/): string[] =>
  kindsFor({
    configurations,
    measures: new Set(measures),
    leftOut: new Map(
      configurations.filter(({ id }) => without.test(id)).map(({ id }) => [id, 'left out']),
    ),
  });

describe('the kinds of L2 that are booted', () => {
  it('are those of the configurations that are measured', () => {
    expect(kinds(['response'])).toEqual(['kvm', 'xen']);
    expect(kinds(['response', 'gateway'], /^xen/)).toEqual(['kvm']);
  });

  it('are none for the gateway by itself, and one for scale', () => {
    expect(kinds(['gateway'])).toEqual([]);
    expect(kinds(['gateway', 'scale'])).toEqual(['kvm']);
  });

  it('are none for scale when what is scaled is left out', () => {
    expect(kinds(['scale'], /^kvm\/vsbypass$/)).toEqual([]);
  });
});
