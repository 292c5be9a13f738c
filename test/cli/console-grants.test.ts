import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { GrantInfo } from '../../src/contract/answers.js';
import { generateKey } from '../../src/formats/keys/key-files.js';
import { CliInstance } from '../rig/cli-instance.js';
import { ConsoleRig } from '../rig/console-rig.js';

let rig: ConsoleRig;
let instance: CliInstance;

const grant: GrantInfo = {
  ...{ id: 'g-1', role: 'write', once: false, source: 'command' },
  ...{ key: 'alice', fingerprint: 'SHA256:a' },
};

beforeEach(async () => {
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig, {
    'console.grant': async ({ vm }) => await Promise.resolve({ ...grant, vm }),
  });
  await writeFile(join(instance.directory, 'alice.pub'), generateKey('alice').publicLine);
});
afterEach(async () => {
  await instance.stop();
  await rig.stop();
});

test('a grant at the name of a slot says how long it lasts', async () => {
  const granted = async (vm: string): Promise<string> =>
    (await instance.run(['console', 'grant', vm, '--key', 'alice.pub'])).stderr;
  expect(await granted('vm1')).toBe('');
  expect(await granted('slot-0-1')).toBe(
    'vsbypass: this grant ends with the daemon: in the next boot slot-0-1 is another VM\n',
  );
});
