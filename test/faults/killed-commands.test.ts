/** kill -9 of the daemon, QEMU or the command itself while `up` or `down` runs. */
import { beforeAll, describe, it } from 'vitest';

import { hit } from './rig/hit.js';
import { kills } from './rig/moments.js';
import { Survival } from './rig/survival.js';
import { withTestbed, type Testbed } from './rig/testbed.js';

let testbed: Testbed;

withTestbed((made) => (testbed = made));

beforeAll(async () => {
  // From here on `up` begins with a saved state.
  await testbed.beUp();
});

describe('during up', () => {
  let usualMs: number;
  beforeAll(async () => {
    await testbed.run(['down']);
    usualMs = await testbed.timeOf(['up']);
  });

  it.for(kills('up', 7))('kill -9 of $victim, round $round', async (kill, context) => {
    await testbed.run(['down']);
    const survival = new Survival(context, testbed, '');
    await hit(survival, testbed, ['up'], usualMs, kill);
    await survival.nextUp();
  });
});

describe('during down', () => {
  let usualMs: number;
  beforeAll(async () => {
    await testbed.beUp();
    usualMs = await testbed.timeOf(['down']);
  });

  it.for(kills('down', 6))('kill -9 of $victim, round $round', async (kill, context) => {
    await testbed.beUp();
    const survival = new Survival(context, testbed, '');
    await hit(survival, testbed, ['down'], usualMs, kill);
    await (kill.round % 2 === 0 ? survival.nextDown() : survival.nextUp());
  });
});
