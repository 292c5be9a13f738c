/** The state folder is full, or fills. */
import { beforeAll, describe, it } from 'vitest';

import { pause } from '../../scripts/console.mjs';
import { SmallDisk } from './rig/full-disk.js';
import { randomOf } from './rig/moments.js';
import { Survival } from './rig/survival.js';
import { checkAll, startOutput, withTestbed, type Testbed } from './rig/testbed.js';
import { told } from './rig/told.js';

describe.skipIf(process.getuid?.() !== 0)('the state folder (root: it mounts a tmpfs)', () => {
  let testbed: Testbed;
  let disk: SmallDisk;

  withTestbed((made) => (testbed = made));

  beforeAll(() => {
    disk = new SmallDisk(testbed.stateFolder, 640);
    testbed.onDispose(() => disk.remove());
  });

  it('is full before the first up', async (context) => {
    const what = 'the state folder is full before the first `up`';
    const survival = new Survival(context, testbed, what);
    disk.fill();
    survival.fails(await testbed.run(['up']), /E_NO_SPACE/);
    await survival.leaves([]);
    disk.empty();
    await survival.nextUp({ before: 'with room, ' });
  });

  it('fills in the middle of output', async (context) => {
    const what = 'the state folder fills in the middle of output';
    const survival = new Survival(context, testbed, what);
    await testbed.beUp();
    const session = await testbed.session();
    const { tty } = session;
    const output = await startOutput(2000, tty);
    disk.fill();
    survival.output(await checkAll(output, tty));
    await session.end();
    const status = await testbed.statusUntil(({ state }) => state !== 'running');
    survival.says(told(status), /MiB of disk free/);
    const saved = await testbed.run(['snapshot', 'save', 'full']);
    survival.fails(saved, /E_NO_SPACE/, 'snapshot save');
    await survival.nextDown();
    survival.fails(await testbed.run(['up']), /E_NO_SPACE/, 'up');
    await survival.leaves([]);
    disk.empty();
    await survival.nextUp({ before: 'down: exit 0; with room, ' });
  });

  const random = randomOf('disk-full');
  it.for([
    { words: ['up'], moment: 500 + random() * 5000 },
    { words: ['up', '--cold'], moment: 500 + random() * 5000 },
    // The daemon has just been started, and has not said so.
    { words: ['up', '--cold'], moment: 500 },
  ])('fills into $words', async ({ words, moment }, context) => {
    await testbed.run(['down']);
    const when = `${(moment / 1000).toFixed(1)} s into \`${words.join(' ')}\``;
    const survival = new Survival(context, testbed, `the state folder fills ${when}`);
    const command = testbed.start(words);
    await pause(moment);
    disk.fill();
    const result = await command.finished;
    if (result.code === 0) survival.sees(`up: exit 0, status ${told(await testbed.status())}`);
    else survival.fails(result);
    await survival.nextDown();
    await survival.leaves([]);
    disk.empty();
    await survival.nextUp({ before: 'down: exit 0; with room, ' });
  });
});
