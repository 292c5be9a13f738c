import { chmod, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { removeRuntimeFiles } from '../../src/machine/leftovers.js';
import {
  assertInstanceName,
  instancePaths,
  maximumSocketPathBytes,
} from '../../src/state/paths.js';
import {
  createInstanceDirectories,
  ensurePrivateDirectory,
} from '../../src/state/private-folders.js';
import { findRoots } from '../../src/state/roots.js';

const uid = process.getuid?.() ?? 0;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-paths-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('assertInstanceName', () => {
  it.each(['default', 'a', 'a-1', '0', 'x'.repeat(32)])('accepts %s', (name) => {
    expect(() => assertInstanceName(name)).not.toThrow();
  });
  it.each(['', '-a', 'a-', 'A', 'a b', 'a/b', '..', 'ä', 'x'.repeat(33)])(
    'refuses "%s"',
    (name) => {
      expect(() => assertInstanceName(name)).toThrow(
        expect.objectContaining({ code: 'E_INSTANCE_NAME', exitCode: 2 }),
      );
    },
  );
});

describe('findRoots', () => {
  it('takes all three from XDG variables', () => {
    const roots = findRoots(
      { XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c', XDG_RUNTIME_DIR: directory },
      uid,
    );
    expect(roots).toEqual({
      instances: '/s/vsbypass/instances',
      cache: '/c/vsbypass',
      runtime: join(directory, 'vsbypass'),
    });
  });

  it('passes over a runtime folder that others may enter', async () => {
    await chmod(directory, 0o755);
    expect(findRoots({ XDG_RUNTIME_DIR: directory }, 4242).runtime).toBe('/tmp/vsbypass-4242');
  });

  it('passes over a runtime folder that is not there', () => {
    expect(findRoots({ XDG_RUNTIME_DIR: '/does/not/exist' }, 4242).runtime).toBe(
      '/tmp/vsbypass-4242',
    );
  });
});

describe('instancePaths', () => {
  const long = `/${'s'.repeat(100)}`;

  it('has the sockets in the state folder, whatever the runtime folder is', () => {
    for (const runtime of ['/run/user/0/vsbypass', '/tmp/vsbypass-0']) {
      const paths = instancePaths('n', { instances: '/s', cache: '/c', runtime });
      expect(paths.controlSocket).toBe('/s/n/run/control.sock');
    }
  });

  it('finds sockets below another runtime folder, where the state folder cannot have them', async () => {
    const instances = join(directory, 's'.repeat(100));
    const here = { instances, cache: '/c', runtime: join(directory, 'here') };
    const there = { ...here, runtime: join(directory, 'there') };
    const paths = instancePaths('n', here);
    await createInstanceDirectories(paths, here);
    expect(paths.runtimeDir).toBe(join(directory, 'here', 'n'));
    expect(instancePaths('n', there)).toEqual(paths);
    await createInstanceDirectories(instancePaths('n', there), there);
    expect(instancePaths('n', here)).toEqual(paths);

    // The host was started again, say: what the link leads to is gone.
    await rm(here.runtime, { recursive: true });
    const anew = instancePaths('n', there);
    expect(anew.runtimeDir).toBe(join(directory, 'there', 'n'));
    await createInstanceDirectories(anew, there);
    expect(instancePaths('n', here)).toEqual(anew);
    await removeRuntimeFiles(anew);
    expect(instancePaths('n', here).runtimeDir).toBe(join(directory, 'here', 'n'));
  });

  it('refuses a socket path that does not fit sun_path', () => {
    const roots = { instances: long, cache: '/c', runtime: `/${'r'.repeat(90)}` };
    expect(() => instancePaths('default', roots)).toThrow(
      expect.objectContaining({ code: 'E_PATH_TOO_LONG', exitCode: 3 }),
    );
  });

  it('accepts one that fits exactly', () => {
    const rest = '/n/control.sock'.length;
    const roots = {
      instances: long,
      cache: '/c',
      runtime: `/${'r'.repeat(maximumSocketPathBytes - rest - 1)}`,
    };
    expect(Buffer.byteLength(instancePaths('n', roots).controlSocket)).toBe(maximumSocketPathBytes);
  });
});

describe('ensurePrivateDirectory', () => {
  it('creates a folder with mode 700', async () => {
    const path = join(directory, 'new');
    await ensurePrivateDirectory(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it('refuses one that others may enter', async () => {
    const path = join(directory, 'open');
    await mkdir(path);
    await chmod(path, 0o755);
    await expect(ensurePrivateDirectory(path)).rejects.toMatchObject({ code: 'E_PERMISSION' });
  });

  it('refuses a symbolic link to a private folder', async () => {
    const target = join(directory, 'target');
    await mkdir(target, { mode: 0o700 });
    await symlink(target, join(directory, 'link'));
    await expect(ensurePrivateDirectory(join(directory, 'link'))).rejects.toMatchObject({
      code: 'E_PERMISSION',
    });
  });

  it('refuses a folder of somebody else', async () => {
    const path = join(directory, 'other');
    await mkdir(path, { mode: 0o700 });
    await expect(ensurePrivateDirectory(path, uid + 1)).rejects.toThrow(/belongs to uid/);
  });
});
