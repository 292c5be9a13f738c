/** Processes that hang, for which SIGSTOP stands, and two commands at once. */
import { beforeAll, it } from 'vitest';

import { pause } from '../../scripts/console.mjs';
import { Survival } from './rig/survival.js';
import { bothRun, checkAll, startOutput, withTestbed, type Testbed } from './rig/testbed.js';
import { told } from './rig/told.js';

let testbed: Testbed;

withTestbed((made) => (testbed = made));

beforeAll(async () => {
  await testbed.beUp();
});

it.for(['qemu', 'daemon'] as const)('SIGSTOP of %s', async (victim, context) => {
  const what = `SIGSTOP of ${victim} for 10 s in the middle of output`;
  const survival = new Survival(context, testbed, what);
  const session = await testbed.session();
  const { tty } = session;
  const output = await startOutput(2000, tty);
  await testbed.signal(victim, 'SIGSTOP');
  try {
    const looked = testbed
      .statusUntil(({ state }) => state !== 'running', 8)
      .then((status) => survival.says(told(status), /is stopped by a signal; `kill -CONT/));
    await Promise.all([pause(10_000), looked]);
  } finally {
    await testbed.signal(victim, 'SIGCONT');
  }
  survival.output(await checkAll(output, tty));
  await survival.recovers('after SIGCONT');
  await survival.leaves(bothRun);
  await session.end();
});

it('two `up` at the same moment', async (context) => {
  await testbed.run(['down']);
  const survival = new Survival(context, testbed, 'two `up` started at the same moment');
  const results = await Promise.all([testbed.run(['up']), testbed.run(['up'])]);
  const failed = results.filter(({ code }) => code !== 0);
  survival.expect(failed.length === 1, `${failed.length} of two failed`);
  for (const one of failed) survival.fails(one, /E_BUSY/);
  await survival.leaves(bothRun);
  await survival.nextUp();
});
