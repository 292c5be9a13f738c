/** The link between the daemon and L1 is cut, garbled or stalled, while output and input flow. */
import { createHash, randomBytes } from 'node:crypto';

import { beforeAll, it } from 'vitest';

import { pause } from '../../scripts/console.mjs';
import { randomOf } from './rig/moments.js';
import type { LinkProxy } from './rig/link-proxy.js';
import { Survival } from './rig/survival.js';
import { bothRun, checkAll, startOutput, withTestbed, type Testbed } from './rig/testbed.js';
import { told } from './rig/told.js';

let testbed: Testbed;
let proxy: LinkProxy;

withTestbed((made) => (testbed = made));

beforeAll(async () => {
  await testbed.beUp();
  proxy = await testbed.comeBetween(randomOf('link'));
});

interface LinkFault {
  readonly injected: string;
  readonly inject: (survival: Survival) => Promise<void>;
}

const faults: readonly LinkFault[] = [
  {
    injected: 'cut 5 times, 1 s apart',
    inject: async () => {
      for (let time = 0; time < 5; time++) {
        proxy.cut();
        await pause(1000);
      }
    },
  },
  {
    injected: 'garbled for 10 s (one chunk of ten damaged or dropped, both ways)',
    inject: async (survival) => {
      const before = await badFrames();
      const chunksBefore = proxy.damaged;
      proxy.garble(0.1);
      await pause(10_000);
      proxy.garble(0);
      const chunks = proxy.damaged - chunksBefore;
      survival.sees(`${chunks} chunks damaged, ${(await badFrames()) - before} bad frames`);
      survival.expect(chunks > 0, 'nothing was damaged');
    },
  },
  {
    injected: 'stalled for 10 s (nothing passes, both ways)',
    inject: async (survival) => {
      proxy.stall(true);
      try {
        const looked = testbed
          .statusUntil(({ state }) => state !== 'running', 9)
          .then((status) => survival.says(told(status), /degraded: .*no answer on the link/));
        await Promise.all([pause(10_000), looked]);
      } finally {
        proxy.stall(false);
      }
    },
  },
];

const badFrames = async (): Promise<number> =>
  (await testbed.status()).shadowHypervisor?.badFrames ?? Number.NaN;

it.for(faults)('the link is $injected', async ({ injected, inject }, context) => {
  const survival = new Survival(context, testbed, `link ${injected}, in output and in input`);
  const session = await testbed.session();
  const { tty } = session;
  const output = await startOutput(3000, tty);
  await inject(survival);
  const got = await checkAll(output, tty, 240);
  const lines = Array.from({ length: 60 }, () => `${randomBytes(30).toString('hex')}\n`);
  const text = lines.join('');
  const again = inject(survival);
  await tty.run('true', 240);
  tty.send('stty -echo; echo rea""dy; cat > /tmp/in; stty echo\r');
  await tty.until(/ready\r\n/, 240);
  tty.send(`${text}\x04`);
  const sum = /[0-9a-f]{64}/.exec(await tty.run('sha256sum < /tmp/in', 240))?.[0];
  await again;
  survival.output(got);
  survival.noteBytes(`${text.length} typed`);
  const typed = createHash('sha256').update(text).digest('hex');
  survival.expect(sum === typed, 'what was typed came damaged');
  await survival.recovers('afterwards');
  await survival.leaves(bothRun);
  await session.end();
});
