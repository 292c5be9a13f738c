import { describe, expect, it } from 'vitest';

import { parseVmList } from '../../src/daemon/vm-management.js';

describe('parseVmList', () => {
  it('reads names, states and pids', () => {
    expect(parseVmList('vm1\trunning\t120\nvm2\tstopped\t-\n')).toEqual([
      { name: 'vm1', state: 'running', pid: 120 },
      { name: 'vm2', state: 'stopped' },
    ]);
  });
});
