/** The pipelines of this project, and those that are there to be copied: every step, but without the services. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import { runGitHubJob, type GitHubResult, type GitHubWorkflow } from '../rig/github-job.js';
import { gitLabJob, runGitLabJob, type GitLabPipeline } from '../rig/gitlab-job.js';
import { PipelineWorkspace, type Fates } from '../rig/pipeline-workspace.js';
import { parseYaml } from '../rig/python.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
const github = ['.github/workflows/testbed.yml', 'examples/ci/github.yml'] as const;
const gitlab = ['.gitlab-ci.yml', 'examples/ci/gitlab.yml'] as const;
const workflow = (path: string): GitHubWorkflow => parseYaml(read(path)) as GitHubWorkflow;
const pipeline = (path: string): GitLabPipeline => parseYaml(read(path)) as GitLabPipeline;

/** What each step has its shell do. */
function scripts(path: string): string[] {
  if ((github as readonly string[]).includes(path)) {
    const steps = Object.values(workflow(path).jobs).flatMap((job) => job.steps);
    return steps.flatMap(({ run }) => (run === undefined ? [] : [run]));
  }
  const jobs = pipeline(path);
  return Object.values(jobs).flatMap((job) =>
    [job.before_script, job.script, job.after_script].flatMap((lines) =>
      Array.isArray(lines) ? [lines.join('\n')] : [],
    ),
  );
}

let workspace: PipelineWorkspace | undefined;
afterEach(async () => {
  await workspace?.dispose();
});
async function prepared(fates: Fates): Promise<PipelineWorkspace> {
  workspace = await PipelineWorkspace.create(fates);
  return workspace;
}

/** Calls of vsbypass by their first word. */
const commands = (calls: readonly string[]): string[] =>
  calls
    .map((call) => call.split(' ')[0] ?? '')
    .filter((word) => !['apt-get', 'npm', 'npx', 'ln'].includes(word));

describe.each([...github, '.github/workflows/test.yml'])('%s', (path) => {
  it('names each action by its commit: a tag can be moved', () => {
    const steps = Object.values(workflow(path).jobs).flatMap((job) => job.steps);
    const actions = steps.flatMap(({ uses }) => (uses === undefined ? [] : [uses]));
    expect(actions.length).toBeGreaterThan(0);
    for (const action of actions) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
  });
});

describe('the tests of this project', () => {
  const matrixOf = (job: { strategy?: { matrix: Record<string, unknown> } } | undefined): unknown =>
    job?.strategy?.matrix['node'];

  it('run on every push under each Node that is supported, and the real stack each night', () => {
    const { on, jobs } = parseYaml(read('.github/workflows/test.yml')) as {
      readonly on: Record<string, unknown>;
      readonly jobs: Record<string, GitHubWorkflow['jobs'][string] & { readonly if?: string }>;
    };
    expect(Object.keys(on)).toEqual(
      expect.arrayContaining(['push', 'pull_request', 'schedule', 'workflow_dispatch']),
    );
    expect(matrixOf(jobs['unit'])).toEqual(['20', '22', '24']);
    expect(jobs['unit']?.if).toBeUndefined();
    expect(jobs['unit']?.steps.at(-1)?.run).toBe('scripts/test unit');
    expect(jobs['stack']?.if).toContain('schedule');
    expect(jobs['stack']?.steps.at(-1)?.run).toBe('scripts/test e2e long');
  });

  it('run in GitLab, too', () => {
    const jobs = pipeline('.gitlab-ci.yml') as unknown as Record<
      string,
      {
        readonly parallel?: { matrix: unknown[] };
        readonly script?: string[];
        readonly rules?: unknown[];
      }
    >;
    expect(jobs['unit']?.parallel?.matrix).toEqual([{ NODE: ['20', '22', '24'] }]);
    expect(jobs['unit']?.script).toEqual(['scripts/test unit']);
    expect(jobs['stack']?.script).toEqual(['scripts/test e2e long']);
    expect(JSON.stringify(jobs['stack']?.rules)).toContain('schedule');
  });
});

describe.each([...github, ...gitlab])('%s', (path) => {
  it('has scripts that bash and shellcheck have nothing against', () => {
    expect(scripts(path).length).toBeGreaterThan(3);
    for (const script of scripts(path)) {
      const checked = spawnSync('shellcheck', ['-s', 'bash', '-e', 'SC1091', '-'], {
        input: script,
        encoding: 'utf8',
      });
      expect(checked.stdout).toBe('');
      expect(spawnSync('bash', ['-n'], { input: script }).status).toBe(0);
    }
  });

  it('puts nothing from outside into a script', () => {
    for (const script of scripts(path)) expect(script).not.toContain('${{');
  });
});

describe.each(github)('%s, carried out', (path) => {
  const checkoutPin = 'actions/checkout@34e114876b0b11c390a56381ad16ebd13914f8d5';
  const cachePin = 'actions/cache@0057852bfaa89a56745cba8c7296529d2fc39830';
  const uploadPin = 'actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02';

  async function job(accel: string, fates: Fates, event = 'push'): Promise<GitHubResult> {
    const context = { 'matrix.accel': accel, 'github.event_name': event };
    return await runGitHubJob(workflow(path), await prepared(fates), context);
  }
  const uses = ({ actions }: GitHubResult): string[] => actions.map((one) => one.uses);
  const calls = async (): Promise<string[]> => (await workspace?.calls()) ?? [];

  it('runs with and without nested virtualization, and gives up before the runner does', () => {
    const [only] = Object.values(workflow(path).jobs);
    expect(only?.strategy.matrix['accel']).toEqual(['tcg', 'kvm']);
    expect(Number(only?.['timeout-minutes'])).toBe(50);
    expect(only?.defaults.run.shell).toBe('bash');
  });

  it('verifies, publishes the report, and keeps nothing when all is well', async () => {
    const result = await job('tcg', { up: 0, verify: 0 });
    expect(result.failed, result.log).toBe(false);
    expect(commands(await calls())).toEqual(['build', 'up', 'verify', 'down', 'prune']);
    expect(uses(result)).toEqual([
      ...[checkoutPin, cachePin],
      'mikepenz/action-junit-report@3585e9575db828022551b4231f165eb59a0e74e3',
    ]);
    expect(result.actions[2]).toMatchObject({
      with: { report_paths: 'results/verify.xml' },
      evidence: ['verify.json', 'verify.xml'],
    });
  });

  it('keeps the images by the key of what they are built from', async () => {
    const result = await job('tcg', { up: 0, verify: 0 });
    const cache = result.actions.find((one) => one.uses.startsWith('actions/cache'));
    expect(cache?.with['path']).toBe('.cache/vsbypass');
    expect(cache?.with['key']).toMatch(/^vsbypass-kvm-[0-9a-f]{32}$/);
    expect(await workspace?.read('.env')).toMatch(/^XDG_CACHE_HOME=.*\/\.cache$/m);
  });

  it('is skipped where KVM is required and cannot be had, with the reason as an annotation', async () => {
    const result = await job('kvm', { up: 'real', verify: 0 });
    expect(result.failed, result.log).toBe(false);
    expect(result.outputs['steps.up.outputs.skipped']).toBe('true');
    expect(commands(await calls())).toEqual(['build', 'up', 'down', 'prune']);
    expect(result.log).toMatch(/^::notice title=vsbypass E_SKIPPED::skipped: .*KVM/m);
    expect(uses(result)).toEqual([checkoutPin, cachePin]);
  });

  it.each([
    ['a layer that fails', { up: 4, verify: 0 }, ['build', 'up', 'report', 'down', 'prune'], []],
    [
      'a leak',
      { up: 0, verify: 5 },
      ['build', 'up', 'verify', 'report', 'down', 'prune'],
      ['verify.json', 'verify.xml'],
    ],
  ] as const)(
    'fails for %s, and keeps what tells of it',
    async (_what, fates, expected, evidence) => {
      const result = await job('tcg', fates);
      expect(result.failed).toBe(true);
      expect(commands(await calls())).toEqual(expected);
      const upload = result.actions.find((one) => one.uses.startsWith('actions/upload-artifact'));
      expect(upload).toMatchObject({ with: { name: 'testbed-tcg', path: 'results' }, evidence });
    },
  );

  it('has one deadline for all commands but those that collect and clean up', async () => {
    await job('tcg', { up: 0, verify: 5 });
    const deadlines = (await calls()).flatMap((call) => {
      const [, command, deadline = ''] = /^(\w+) .*\[(.*)\]$/.exec(call) ?? [];
      return command === undefined ? [] : [[command, deadline] as const];
    });
    const { up = '', verify, report, down, prune } = Object.fromEntries(deadlines);
    expect(Date.parse(up) - Date.now()).toBeGreaterThan(30 * 60_000);
    expect({ verify, report, down, prune }).toEqual({
      verify: up,
      report: '',
      down: '',
      prune: '',
    });
  });

  it('measures when somebody asks for it, and keeps the figures', async () => {
    const result = await job('tcg', { up: 0, verify: 0 }, 'workflow_dispatch');
    expect(result.failed, result.log).toBe(false);
    expect((await calls()).find((call) => call.startsWith('bench'))).toMatch(
      /^bench --quick --require tcg --output results\/bench/,
    );
    expect(uses(result)).toContain(uploadPin);
  });
});

describe.each(gitlab)('%s, carried out', (path) => {
  async function run(accel: string, fates: Fates, source = 'push') {
    const jobs = pipeline(path);
    const place = await prepared(fates);
    const { dotenv } = await runGitLabJob(gitLabJob(jobs, 'key'), place, {});
    const variables = { ACCEL: accel, CI_PIPELINE_SOURCE: source, ...dotenv };
    const result = await runGitLabJob(gitLabJob(jobs, 'testbed'), place, variables);
    return { ...result, calls: commands(await place.calls()), evidence: await place.evidence() };
  }

  it('runs with and without nested virtualization, and gives up before the runner does', () => {
    const job = gitLabJob(pipeline(path), 'testbed');
    expect(job.parallel?.matrix).toEqual([{ ACCEL: ['tcg', 'kvm'] }]);
    expect(job.timeout).toBe('50m');
  });

  it('verifies, with a report that GitLab reads, and a cache by content', async () => {
    const { status, log, calls, cacheKey, evidence } = await run('tcg', { up: 0, verify: 0 });
    expect(status, log).toBe('success');
    expect(calls).toEqual(['build', 'up', 'verify', 'down', 'prune']);
    expect(cacheKey).toMatch(/^vsbypass-kvm-[0-9a-f]{32}$/);
    expect(evidence).toEqual(['verify.json', 'verify.xml']);
    const { artifacts, cache } = gitLabJob(pipeline(path), 'testbed');
    expect(artifacts).toMatchObject({
      ...{ when: 'always', paths: ['results'] },
      reports: { junit: 'results/verify.xml' },
    });
    expect(cache?.paths).toEqual(['.cache/vsbypass']);
  });

  it('ends with a warning where KVM is required and cannot be had', async () => {
    const { status, log, calls } = await run('kvm', { up: 'real', verify: 0 });
    expect(status, log).toBe('warning');
    expect(log).toMatch(/skipped: .*KVM was asked for.*\[E_SKIPPED\]/);
    expect(calls).not.toContain('verify');
  });

  it.each([
    ['a layer that fails', { up: 4, verify: 0 }, ['build', 'up', 'report', 'down', 'prune']],
    ['a leak', { up: 0, verify: 5 }, ['build', 'up', 'verify', 'report', 'down', 'prune']],
  ] as const)('fails for %s, and collects what tells of it', async (_what, fates, expected) => {
    const { status, calls } = await run('tcg', fates);
    expect({ status, calls }).toEqual({ status: 'failed', calls: expected });
  });

  it('measures in a scheduled pipeline', async () => {
    const { status, log, calls } = await run('tcg', { up: 0, verify: 0 }, 'schedule');
    expect(status, log).toBe('success');
    expect(calls).toEqual(['build', 'up', 'verify', 'down', 'bench', 'down', 'prune']);
  });
});

describe('what is there to be copied', () => {
  /** All but the comment at the top, the jobs that test this project, and how vsbypass is installed. */
  const common = (text: string): string =>
    text
      .replace(/# The tests without the real stack[^]*(?=# A job cannot name its own cache)/, '')
      .replace(/^#.*\n#.*\n/, '')
      .replace(/( +- name: Install\n +run: \|\n)(?: {10}.*\n)+/, '$1')
      .replace(/( +before_script:\n +- \|\n)(?: {6}.*\n)+/, '$1');

  it.each([github, gitlab])('%s and %s are the same otherwise', (own, example) => {
    expect(common(read(example))).toBe(common(read(own)));
  });

  it.each([github[1], gitlab[1]])('%s installs the packages that this project needs', (path) => {
    const installed = /--no-install-recommends((?: |\\\n|[a-z0-9-])+)\n +npm ci/.exec(
      read(path),
    )?.[1];
    const wanted = read('scripts/packages')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([purpose]) => purpose === 'run' || purpose === 'build')
      .map(([, name]) => name);
    expect(installed?.match(/[a-z0-9-]+/g)?.sort()).toEqual(wanted.sort());
  });
});
