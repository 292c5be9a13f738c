import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

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

  it('keeps nothing at the name of a slot: in the next boot that is another VM', async () => {
    const first = await load();
    await first.grant(grant);
    await first.grant({ ...grant, vm: 'slot-0-1' });
    expect(first.grants().map(({ vm }) => vm)).toEqual(['vm1', 'slot-0-1']);
    expect((await load()).grants().map(({ vm }) => vm)).toEqual(['vm1']);
    const old = (await readFile(paths.grants, 'utf8')).replaceAll('vm1', 'slot-0-1');
    await writeFile(paths.grants, old);
    expect((await load()).grants()).toEqual([]);
  });

  describe('whose file cannot be written', () => {
    let given: string;
    let once: string;

    /** There is a file of that name, and no room in the folder's names for the one that is to replace it. */
    beforeEach(async () => {
      const first = await load();
      given = (await first.grant(grant)).id;
      once = (await first.grant({ ...grant, vm: 'vm2', once: true })).id;
      const full = join(directory, 'g'.repeat(250));
      await copyFile(paths.grants, full);
      paths = { ...paths, grants: full };
    });

    it('says so, and what was taken back never comes again', async () => {
      const access = await load();
      await expect(access.revoke({ vm: 'vm1' })).rejects.toMatchObject({
        code: 'E_FILE',
        message: expect.stringContaining('cannot write') as string,
        hint: expect.stringContaining('stays so') as string,
      });
      expect(access.grants().map(({ id }) => id)).toEqual([once]);
      expect(audited.at(-1)).toMatchObject({ type: 'revoked', id: given });
      expect((await load()).grants()).toEqual([]);
      await expect(access.revoke({ vm: 'vm1' })).rejects.toMatchObject({ code: 'E_FILE' });
      expect(await access.revoke({})).toMatchObject([{ id: once }]);
    });

    it('lets nobody in a second time by what holds once', async () => {
      const access = await load();
      const [, used] = access.list.list();
      if (used !== undefined) access.list.use(used);
      await vi.waitFor(() => expect(existsSync(paths.grants)).toBe(false));
      expect(logged.join()).toContain('grants are not kept');
      expect((await load()).grants()).toEqual([]);
    });

    it('grants nothing, and those of before stay', async () => {
      const access = await load();
      const refused = access.grant({ ...grant, vm: 'vm3' });
      await expect(refused).rejects.toMatchObject({ code: 'E_FILE' });
      expect(access.grants().map(({ id }) => id)).toEqual([given, once]);
      await access.revoke({ vm: 'vm9' }).catch(() => undefined);
      expect((await load()).grants()).toHaveLength(2);
    });
  });

  it('writes its file as soon as that can be', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const access = await load();
      await access.grant(grant);
      await access.grant({ ...grant, vm: 'vm2' });
      await rename(directory, `${directory}.away`);
      await expect(access.revoke({ vm: 'vm1' })).rejects.toMatchObject({ code: 'E_FILE' });
      await rename(`${directory}.away`, directory);
      await vi.advanceTimersByTimeAsync(10_000);
      await vi.waitFor(async () =>
        expect(await readFile(paths.grants, 'utf8')).not.toContain('vm1'),
      );
      expect((await load()).grants().map(({ vm }) => vm)).toEqual(['vm2']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is not there before the gateway is', () => {
    expect(() => accessOf({} as Running)).toThrow('not open yet');
  });
});
