/** The package as it is published, installed into an empty folder: command line, library and example. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { documents } from '../../src/contract/documents/documents.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
let directory: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-pkg-'));
  env = { ...process.env, XDG_STATE_HOME: directory, XDG_RUNTIME_DIR: directory };
  // With its scripts, which compile the program and write the schemas.
  const words = ['pack', '--json', '--pack-destination', directory];
  const { stdout } = await run('npm', words, { cwd: root });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { filename: string }[];
  const project = join(directory, 'project');
  await mkdir(project);
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline'];
  await run('npm', [...install, join(directory, packed?.filename ?? '')], { cwd: project });
  await cp(join(root, 'examples/login.mjs'), join(project, 'login.mjs'));
});

afterAll(async () => {
  await run('npx', ['--no-install', 'vsbypass', 'down', '--all'], {
    cwd: join(directory, 'project'),
    env,
  });
  await rm(directory, { recursive: true, force: true });
});

it('has the schemas of all documents', async () => {
  const folder = join(directory, 'project/node_modules/vsbypass/schemas');
  const names = Object.keys(documents).map((name) => `${name}.schema.json`);
  expect((await readdir(folder)).sort()).toEqual(names.sort());
});

it('runs the command line from an empty folder', async () => {
  const cwd = join(directory, 'project');
  const up = ['--no-install', 'vsbypass', 'up', '--json'];
  const { stdout } = await run('npx', up, { cwd, env, timeout: 600_000 });
  expect(JSON.parse(stdout)).toMatchObject({ state: 'running', vms: [{ name: 'vm1' }] });
  await run('npx', ['--no-install', 'vsbypass', 'down'], { cwd, env });
});

it('knows what itself and its images are made of', async () => {
  const cwd = join(directory, 'project');
  const words = ['--no-install', 'vsbypass', 'sbom', '--l2', 'kvm', '--json'];
  const { stdout } = await run('npx', words, { cwd, env, maxBuffer: 16 * 1_048_576 });
  const { components } = JSON.parse(stdout) as { components: { name: string; purl?: string }[] };
  const names = components.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['vsbypass-xen', 'xen', 'busybox-static', 'ssh2']));
  expect(names).not.toContain('vitest');
});

it('runs the example of the library', async () => {
  const cwd = join(directory, 'project');
  const { stdout, stderr } = await run('node', ['login.mjs'], { cwd, env, timeout: 600_000 });
  expect(stderr).toContain('login:vm1');
  const { operatorBytes, shadowBytes } = JSON.parse(stdout) as Record<string, number>;
  expect(operatorBytes).toBe(0);
  expect(shadowBytes).toBeGreaterThan(1000);
});
