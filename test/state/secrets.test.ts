/** Keys and passwords of an instance. */
import { readFile, rm, stat } from 'node:fs/promises';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { statusDocument, statusLines } from '../../src/cli/output.js';
import type { InstanceStatus } from '../../src/contract/status.js';
import { vmMeant } from '../../src/console/client/open.js';
import { ensureSecrets, readPasswords, renewSecrets } from '../../src/state/secrets.js';
import type { InstancePaths } from '../../src/state/paths.js';
import { vmViews } from '../../src/web/provider.js';
import { temporaryInstance } from '../rig/temporary-instance.js';

let directory: string;
let paths: InstancePaths;
beforeEach(async () => {
  ({ directory, paths } = await temporaryInstance());
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Every object has something of that name, which is no secret. */
const name = 'constructor';

it('every user VM has a random password of its own, whatever it is called', async () => {
  const { passwords } = await ensureSecrets(paths, ['vm1', name]);
  expect(passwords.get(name)).toMatch(/^[\w-]{8,}$/);
  expect(passwords.get(name)).not.toBe(passwords.get('vm1'));
  expect((await stat(paths.passwords)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(paths.passwords, 'utf8'))).toEqual(
    Object.fromEntries(passwords),
  );
  expect(await readPasswords(paths)).toEqual(passwords);
});

it('they stay, and one that is added gets its own', async () => {
  const { passwords } = await ensureSecrets(paths, ['vm1']);
  const again = await ensureSecrets(paths, ['vm1', name]);
  expect(again.passwords.get('vm1')).toBe(passwords.get('vm1'));
  expect(again.passwords.size).toBe(2);
});

it('all of them are renewed together', async () => {
  const old = await ensureSecrets(paths, ['vm1', name]);
  const { passwords } = renewSecrets(paths, old);
  expect([...passwords.keys()]).toEqual(['vm1', name]);
  for (const [vm, password] of passwords) expect(password).not.toBe(old.passwords.get(vm));
});

it('what is known of a VM by its name is never what every object has', () => {
  const vm = { name, state: 'absent', sessions: 0, bytesOut: 0, bytesIn: 0 } as const;
  const status: InstanceStatus = {
    ...{ schemaVersion: 1, name: 'default', state: 'stopped', processes: {}, vms: [vm] },
  };
  expect(statusLines(status, new Map()).at(-1)).toMatch(/ -$/);
  expect(statusDocument(status, new Map())).toEqual(status);
  const access = {
    ...{ name: 'default', stateDir: '', runtimeDir: '', vms: [name] },
    ...{ uuids: new Map<string, string>(), watched: new Map<string, never>() },
  };
  expect(vmMeant(access, 'abcd')).toBeUndefined();
  expect(vmViews(access)).toEqual([{ name, secure: true, watched: [] }]);
});
