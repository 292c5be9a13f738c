/** The wall clock of daemon and QEMU is set while a VM prints. */
import { beforeAll, describe, it } from 'vitest';

import { noShiftedClock, ShiftedClock } from './rig/shifted-clock.js';
import { Survival } from './rig/survival.js';
import { bothRun, checkAll, startOutput, withTestbed, type Testbed } from './rig/testbed.js';
import { told } from './rig/told.js';

describe.skipIf(noShiftedClock() !== undefined)('the wall clock (it takes a C compiler)', () => {
  let testbed: Testbed;
  let clock: ShiftedClock;

  withTestbed((made) => (testbed = made));

  beforeAll(() => {
    clock = new ShiftedClock(testbed.folder);
  });

  it.for([3600, -86_400])('is set by %s s', async (by, context) => {
    const what = `wall clock of daemon and QEMU set by ${by} s in output`;
    const survival = new Survival(context, testbed, what);
    const { env } = clock;
    clock.set(0);
    await testbed.run(['down']);
    await testbed.run(['up'], { env });
    const session = await testbed.session();
    const { tty } = session;
    const output = await startOutput(2000, tty);
    clock.set(by);
    survival.output(await checkAll(output, tty));
    const status = await testbed.statusUntil(({ clockJump }) => clockJump !== undefined);
    const jump = `clockJump ${JSON.stringify(status.clockJump)}`;
    survival.says(`${told(status)}, ${jump}`, /"seconds":-?\d+/);
    survival.expect(status.state === 'running', told(status));
    await session.end();
    await survival.nextDown();
    await survival.nextUp({ before: 'down: exit 0; ', env });
    await survival.leaves(bothRun);
  });
});
