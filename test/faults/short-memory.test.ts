/** Memory is short: for the machine, for the address space, in a control group. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, it } from 'vitest';

import { MemoryGroup, noMemoryGroup } from './rig/memory-group.js';
import { Survival } from './rig/survival.js';
import { withTestbed, type Testbed } from './rig/testbed.js';
import { told } from './rig/told.js';

let testbed: Testbed;

withTestbed((made) => (testbed = made));

beforeEach(async () => {
  await testbed.run(['down']);
});

it('a configuration that wants more than there is', async (context) => {
  const survival = new Survival(context, testbed, 'a configuration that wants 256 GiB for L2');
  const config = join(testbed.folder, 'large.json');
  writeFileSync(config, JSON.stringify({ l2: { memoryMiB: 262_144 } }));
  survival.fails(await testbed.run(['up', '--config', config]), /E_NO_MEMORY/);
  await survival.leaves([]);
  await survival.nextUp();
});

it('a limit of the address space', async (context) => {
  const what = '`up --cold` with 1.8 GB of address space (prlimit)';
  const survival = new Survival(context, testbed, what);
  const wrap = ['prlimit', '--as=1800000000'];
  survival.fails(await testbed.run(['up', '--cold'], { wrap }));
  await survival.leaves([]);
  await survival.nextUp();
});

it('a control group in which the kernel kills', async (context) => {
  const reason = noMemoryGroup();
  if (reason !== undefined) context.skip(reason);
  const what = '`up --cold` in a control group of 700 MiB: the kernel kills';
  const survival = new Survival(context, testbed, what);
  const group = new MemoryGroup(`vsb-faults-${process.pid}`, 700 * 1_048_576);
  testbed.onDispose(() => group.remove());
  survival.fails(await testbed.run(['up', '--cold'], { wrap: group.wrap }));
  const status = await survival.leavesWhatStatusKnows();
  survival.says(`status ${told(status)}`, /^status (?:stopped|broken: .{10})/);
  await survival.nextUp();
});
