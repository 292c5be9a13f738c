import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { fingerprintOfLine, generateKey } from '../../src/formats/keys/key-files.js';
import { accessOf, ConsoleAccess, type AccessEvent } from '../../src/machine/console-access.js';
import type { Running } from '../../src/machine/running.js';
import { instancePaths, type InstancePaths } from '../../src/state/paths.js';

let directory: string;
let paths: InstancePaths;
let logged: string[];
let audited: AccessEvent[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-access-'));
  paths = {
    ...instancePaths('default', { instances: directory, cache: directory, runtime: directory }),
    grants: join(directory, 'grants.json'),
  };
  logged = [];
  audited = [];
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function load(config: Config = parseConfig('{}', 'f')): Promise<ConsoleAccess> {
  return await ConsoleAccess.load(
    paths,
    config,
    (text) => logged.push(text),
    (event) => audited.push(event),
  );
}

const alice = `${generateKey('alice').publicLine} alice`;
const grant = { vm: 'vm1', key: `${alice}\n`, role: 'write', once: false } as const;

describe('ConsoleAccess', () => {
  it('knows the keys and authorities of the configuration, each with what it may', async () => {
    const lines = ['all', 'look', 'own', 'ownlook', 'ca'].map(
      (name) => [name, generateKey(name).publicLine] as const,
    );
    for (const [name, line] of lines) await writeFile(join(directory, name), `# \n${line}\nx\n`);
    const config = parseConfig(
      JSON.stringify({
        console: {
          authorizedKeys: [join(directory, 'all')],
          watchKeys: [join(directory, 'look')],
          certificateAuthorities: [join(directory, 'ca')],
        },
        vms: [
          {
            name: 'vm1',
            authorizedKeys: [join(directory, 'own')],
            watchKeys: [join(directory, 'ownlook'), join(directory, 'missing')],
          },
        ],
      }),
      'f',
    );
    const access = await load(config);
    const [all, look, own, ownlook, ca] = lines.map(([, line]) => fingerprintOfLine(line));
    expect(
      access.grants().map(({ fingerprint, vm, role, source }) => [fingerprint, vm, role, source]),
    ).toEqual([
      [all, undefined, 'write', 'configuration'],
      [look, undefined, 'watch', 'configuration'],
      [own, 'vm1', 'write', 'configuration'],
      [ownlook, 'vm1', 'watch', 'configuration'],
    ]);
    expect(access.authorities).toEqual([ca]);
    expect(logged).toContain(`${join(directory, 'all')}: line 3: not a plain OpenSSH public key`);
  });

  it('keeps what was granted for the next daemon, privately, until it is revoked', async () => {
    const first = await load();
    const given = await first.grant({ ...grant, ttlSeconds: 600, once: true });
    expect(given).toMatchObject({ vm: 'vm1', role: 'write', once: true, key: 'alice' });
    await first.grant({ ...grant, role: 'watch' });
    expect((await stat(paths.grants)).mode & 0o777).toBe(0o600);
    const second = await load();
    expect(second.grants()).toHaveLength(2);
    expect(second.grants()[0]).toEqual(given);
    expect(await second.revoke({ vm: 'vm1', which: given.id })).toEqual([given]);
    expect((await load()).grants()).toMatchObject([{ role: 'watch' }]);
    expect(audited.map(({ type, id }) => [type, id])).toEqual([
      ['granted', given.id],
      ['granted', expect.any(String)],
      ['revoked', given.id],
    ]);
  });

  it('refuses what is not one usable public key', async () => {
    const access = await load();
    for (const key of ['', 'nonsense', `${alice}\n${alice}`, generateKey('x').privatePem]) {
      await expect(access.grant({ ...grant, key })).rejects.toMatchObject({
        code: 'E_CONSOLE_KEY',
        exitCode: 7,
      });
    }
  });

  it('lets nobody in by a damaged file, and goes on', async () => {
    await writeFile(paths.grants, '{');
    const access = await load();
    expect(access.grants()).toEqual([]);
    expect(logged.join()).toContain('is damaged');
    await access.grant(grant);
    expect(await readFile(paths.grants, 'utf8')).toContain('vm1');
  });

  it('is not there before the gateway is', () => {
    expect(() => accessOf({} as Running)).toThrow('not open yet');
  });
});
