/** kill -9 of the daemon, QEMU or a client while a VM prints and sessions look on. */
import { describe, it } from 'vitest';

import { pause } from '../../scripts/console.mjs';
import { sendTo } from '../e2e/command-line.js';
import { kills } from './rig/moments.js';
import { Survival } from './rig/survival.js';
import { bothRun, checkAll, startOutput, withTestbed, type Testbed } from './rig/testbed.js';
import { told } from './rig/told.js';

let testbed: Testbed;

withTestbed((made) => (testbed = made));

describe('while a VM prints', () => {
  it.for(kills('session', 7))('kill -9 of $victim, round $round', async (kill, context) => {
    await testbed.beUp();
    const { victim, share } = kill;
    const watcher = testbed.start([
      ...['console', 'vm1', '--watch', '--expect', 'never-printed', '--timeout', '300'],
    ]);
    const session = await testbed.session();
    const { tty } = session;
    const output = await startOutput(3000, tty);
    const moment = Math.floor(share * 1500);
    await pause(moment);
    const when = `${(moment / 1000).toFixed(1)} s into output of a session`;
    const survival = new Survival(context, testbed, `kill -9 of ${victim}, ${when}`);
    if (victim === 'cli') {
      sendTo(watcher.child.pid, 'SIGKILL');
      survival.output(await checkAll(output, tty));
      const status = await testbed.statusUntil(({ vms }) => vms[0]?.sessions === 1);
      survival.sees(`status ${told(status)}`);
      survival.expect(status.vms[0]?.sessions === 1, 'the session of the killed client stays');
      await survival.leaves(bothRun, 5);
    } else {
      await testbed.signal(victim, 'SIGKILL');
      survival.fails(await watcher.finished, undefined, 'console');
      const status = await testbed.statusUntil(({ state }) => state === 'broken');
      survival.says(`status ${told(status)}`, /^status broken: .{10}/);
      await survival.leaves(victim === 'daemon' ? ['qemu'] : ['daemon'], 5);
    }
    await survival.nextUp();
    if (victim === 'daemon') {
      const next = await testbed.onlooker();
      survival.output(output.continued(tty.text, await next.tty.until(output.end, 120)));
      await next.end();
    } else if (victim === 'qemu') {
      survival.output(output.beginning(tty.text));
      survival.noteBytes('then the VM was gone');
    }
    await session.end();
    await survival.consoleAnswers();
  });
});
