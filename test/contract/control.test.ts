import { describe, expect, it } from 'vitest';

import { parameterSchemas } from '../../src/contract/control.js';

const uuid = '0b5e55ed-0000-4000-8000-000000000002';
const madeName = `vm-${uuid.replaceAll('-', '')}`;

describe('parameterSchemas', () => {
  it.each(['proof', 'console.attach'] as const)('takes any VM that L1 knows for %s', (method) => {
    for (const vm of ['vm1', 'vm-0b5e55ed', madeName, uuid, uuid.toUpperCase(), 'slot-0-1']) {
      expect(parameterSchemas[method].parse({ vm })).toEqual({ vm });
    }
  });

  it.each(['', '-', '../vm1', 'a b', 'x'.repeat(65)])('takes no "%s" for a VM', (vm) => {
    expect(parameterSchemas.proof.safeParse({ vm }).success).toBe(false);
  });
});
