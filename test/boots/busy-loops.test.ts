import { describe, expect, it } from 'vitest';

import { BusyLoops } from '../../src/boots/busy-loops.js';
import { identifyProcess } from '../../src/base/process-identity.js';

describe('BusyLoops', () => {
  it('runs as many as asked for, and leaves none behind', async () => {
    const loops = new BusyLoops(2, 1);
    expect(loops.pids).toHaveLength(2);
    await loops.end();
    const left = await Promise.all(loops.pids.map(async (pid) => await identifyProcess(pid)));
    expect(left).toEqual([undefined, undefined]);
  });
});
