/** The pipelines of this project, and those that are there to be copied: what they tell the services, and the job that all run. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import { PipelineWorkspace, type Fates } from '../rig/pipeline-workspace.js';
import { parseYaml } from '../rig/python.js';

interface GitHubStep {
  readonly name?: string;
  readonly if?: string;
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface GitHubJob {
  readonly if?: string;
  readonly steps: readonly GitHubStep[];
  readonly env?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly defaults?: { readonly run: { readonly shell: string } };
  readonly 'timeout-minutes': string;
}

interface GitHubWorkflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly jobs: Readonly<Record<string, GitHubJob>>;
}

interface GitLabJob {
  readonly extends?: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly rules?: readonly Readonly<Record<string, string>>[];
  readonly before_script?: readonly string[];
  readonly script?: readonly string[];
  readonly after_script?: readonly string[];
  readonly cache?: { readonly key: string; readonly paths: readonly string[] };
  readonly allow_failure?: { readonly exit_codes: string };
  readonly artifacts?: Readonly<Record<string, unknown>>;
  readonly parallel?: { readonly matrix: readonly Readonly<Record<string, readonly string[]>>[] };
  readonly timeout?: string;
}

type GitLabPipeline = Readonly<Record<string, GitLabJob>>;

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

describe.each([...github, '.github/workflows/test.yml'])('%s', (path) => {
  it('names each action by its commit: a tag can be moved', () => {
    const steps = Object.values(workflow(path).jobs).flatMap((job) => job.steps);
    const actions = steps.flatMap(({ uses }) => (uses === undefined ? [] : [uses]));
    expect(actions.length).toBeGreaterThan(0);
    for (const action of actions) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
  });
});

describe('the tests of this project', () => {
  it('run on every push under each Node that is supported, and the real stack each night', () => {
    const { on, jobs } = workflow('.github/workflows/test.yml');
    expect(Object.keys(on)).toEqual(
      expect.arrayContaining(['push', 'pull_request', 'schedule', 'workflow_dispatch']),
    );
    const { unit, stack } = jobs;
    expect(unit?.strategy?.matrix['node']).toEqual(['20', '22', '24']);
    expect(unit?.if).toBeUndefined();
    expect(unit?.steps.at(-1)?.run).toBe('scripts/test unit');
    expect(stack?.if).toContain('schedule');
    expect(stack?.steps.at(-1)?.run).toBe('scripts/test e2e long');
  });

  it('run in GitLab, too', () => {
    const { unit, stack } = pipeline('.gitlab-ci.yml');
    expect(unit?.parallel?.matrix).toEqual([{ NODE: ['20', '22', '24'] }]);
    expect(unit?.script).toEqual(['scripts/test unit']);
    expect(stack?.script).toEqual(['scripts/test e2e long']);
    expect(JSON.stringify(stack?.rules)).toContain('schedule');
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

describe('what the services are told', () => {
  const program = /^(?:node_modules\/vsbypass\/)?examples\/ci\/testbed(?= )/;

  it.each(github)('%s', (path) => {
    const { jobs } = workflow(path);
    const [job] = Object.values(jobs);
    // With and without nested virtualization; given up before the runner does.
    expect(job?.strategy?.matrix['accel']).toEqual(['tcg', 'kvm']);
    expect(job?.env).toEqual({ ACCEL: '${{ matrix.accel }}' });
    expect(Number(job?.['timeout-minutes'])).toBe(50);
    expect(job?.defaults?.run.shell).toBe('bash');

    const step = (name: string): GitHubStep | undefined =>
      job?.steps.find((one) => one.name === name);
    const run = program.exec(step('Run the testbed')?.run ?? '')?.[0];
    expect(step('Run the testbed')?.run).toBe(`${run} run || (($? == 77))`);
    expect(step('Run the testbed')?.env).toEqual({
      MEASURE: "${{ github.event_name == 'workflow_dispatch' }}",
    });
    expect(step('Take it down')).toMatchObject({
      if: 'always()',
      env: { JOB_STATUS: '${{ job.status }}' },
      run: `${run} finish "$JOB_STATUS"`,
    });
    expect(step('Publish the report of verify')).toMatchObject({
      if: "always() && hashFiles('results/verify.xml') != ''",
      with: { report_paths: 'results/verify.xml' },
    });
    expect(step('Keep the evidence')).toMatchObject({
      if: "failure() || github.event_name == 'workflow_dispatch'",
      with: { path: 'results' },
    });
    expect(step('Images')?.with).toMatchObject({
      path: '.cache/vsbypass',
      key: 'vsbypass-kvm-${{ steps.cache.outputs.key }}',
    });
  });

  it.each(gitlab)('%s', (path) => {
    const { testbed, '.vsbypass': common } = pipeline(path);
    expect(testbed?.extends).toBe('.vsbypass');
    expect(testbed?.parallel?.matrix).toEqual([{ ACCEL: ['tcg', 'kvm'] }]);
    expect(testbed?.timeout).toBe('50m');
    // A warning.
    expect(testbed?.allow_failure?.exit_codes).toBe('77');
    const run = program.exec(testbed?.script?.at(-1) ?? '')?.[0];
    expect(testbed?.script?.at(-1)).toBe(`${run} run`);
    expect(testbed?.after_script).toEqual([`${run} finish "$CI_JOB_STATUS"`]);
    expect(testbed?.artifacts).toMatchObject({
      ...{ when: 'always', paths: ['results'] },
      reports: { junit: 'results/verify.xml' },
    });
    expect(common?.variables).toEqual({ XDG_CACHE_HOME: '$CI_PROJECT_DIR/.cache' });
    expect(testbed?.cache).toEqual({
      ...{ key: 'vsbypass-kvm-$VSBYPASS_KEY', paths: ['.cache/vsbypass'] },
    });
  });
});

describe('the job', () => {
  const job = `${root}examples/ci/testbed`;
  async function run(
    fates: Fates,
    words = 'run',
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; output: string; calls: string[]; evidence: string[] }> {
    const place = await prepared(fates);
    const result = await place.bash(`${job} ${words}`, { ACCEL: 'tcg', ...env });
    return { ...result, calls: await place.calls(), evidence: await place.evidence() };
  }
  /** Calls of vsbypass by their first word. */
  const commands = (calls: readonly string[]): (string | undefined)[] =>
    calls.map((call) => call.split(' ')[0]);

  it('brings up and verifies, with a report that the services read', async () => {
    const { code, output, calls, evidence } = await run({ up: 0, verify: 0 });
    expect(code, output).toBe(0);
    expect(calls.map((call) => call.replace(/ \[.*/, ''))).toEqual([
      'up --require tcg --or-skip --no-save --timings',
      'verify --json --junit results/verify.xml',
    ]);
    expect(evidence).toEqual(['verify.json', 'verify.xml']);
  });

  it('has one deadline for all commands', async () => {
    const { calls } = await run({ up: 0, verify: 0 });
    const deadlines = calls.map((call) => /\[(.*)\]$/.exec(call)?.[1] ?? '');
    expect(new Set(deadlines).size).toBe(1);
    expect(Date.parse(deadlines[0] ?? '') - Date.now()).toBeGreaterThan(30 * 60_000);
    const given = await run({ up: 0, verify: 0 }, 'run', { VSBYPASS_DEADLINE: '2099-01-01' });
    expect(given.calls.at(-1)).toContain('[2099-01-01]');
  });

  it('runs the tests of the project before it attacks, and ends with their exit code', async () => {
    const passed = await run({ up: 0, verify: 0 }, "run bash -c 'echo own >> $CALLS'");
    expect(commands(passed.calls)).toEqual(['up', 'own', 'verify']);
    const failed = await run({ up: 0, verify: 0 }, "run bash -c 'exit 9'");
    expect(failed.code).toBe(9);
    expect(commands(failed.calls)).toEqual(['up']);
  });

  it.each([
    ['a layer that fails', { up: 4, verify: 0 }, 4, ['up']],
    ['a leak', { up: 0, verify: 5 }, 5, ['up', 'verify']],
  ] as const)('ends with the exit code of %s', async (_what, fates, expected, called) => {
    const { code, calls } = await run(fates);
    expect(code).toBe(expected);
    expect(commands(calls)).toEqual(called);
  });

  it('ends with 77 where KVM is required and cannot be had, with the reason', async () => {
    const { code, output, calls } = await run({ up: 'real', verify: 0 }, 'run', {
      ...{ ACCEL: 'kvm', GITHUB_ACTIONS: 'true' },
    });
    expect(code, output).toBe(77);
    expect(output).toMatch(/^::notice title=vsbypass E_SKIPPED::skipped: .*KVM/m);
    expect(commands(calls)).toEqual(['up']);
  });

  it('measures when it is told to', async () => {
    const { calls } = await run({ up: 0, verify: 0 }, 'run', { MEASURE: 'true' });
    expect(commands(calls)).toEqual(['up', 'verify', 'down', 'bench']);
    expect(calls.at(-1)).toMatch(/^bench --quick --require tcg --output results\/bench /);
    const not = await run({ up: 0, verify: 0 }, 'run', { MEASURE: 'false' });
    expect(commands(not.calls)).toEqual(['up', 'verify']);
  });

  it.each([
    ['success', ['down', 'prune']],
    ['failure', ['report', 'down', 'prune']],
    ['cancelled', ['report', 'down', 'prune']],
  ])('takes it down after %s, whatever the deadline', async (status, expected) => {
    const { code, output, calls } = await run({ up: 0, verify: 0 }, `finish ${status}`, {
      VSBYPASS_DEADLINE: '2001-01-01T00:00:00Z',
    });
    expect(code, output).toBe(0);
    expect(commands(calls)).toEqual(expected);
    for (const call of calls) expect(call).toMatch(/ \[\]$/);
  });

  it('takes it down when nothing can be collected', async () => {
    const { code, calls } = await run({ up: 0, verify: 0, report: 4 }, 'finish failure');
    expect(code).toBe(0);
    expect(commands(calls)).toEqual(['report', 'down', 'prune']);
  });

  it.each(['', 'finish', 'begin'])('tells how it is called: "%s"', async (words) => {
    const { code, output, calls } = await run({ up: 0, verify: 0 }, words);
    expect(code).toBe(2);
    expect(output).toMatch(/^ {2}testbed run \[COMMAND .*\n.*\n {2}testbed finish STATUS /m);
    expect(calls).toEqual([]);
  });
});

describe('what is there to be copied', () => {
  /** All but the comment at the top, the jobs that test this project, and how vsbypass is installed. */
  const common = (text: string): string =>
    text
      .replace(/# The tests without the real stack[^]*(?=# A job cannot name its own cache)/, '')
      .replace(/^#.*\n#.*\n/, '')
      .replaceAll('node_modules/vsbypass/', '')
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
