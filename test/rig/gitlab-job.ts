/** Carries jobs of a GitLab pipeline out without GitLab: before_script and script in one shell, after_script in another. */
import type { PipelineWorkspace } from './pipeline-workspace.js';

export interface GitLabJob {
  readonly extends?: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly before_script?: readonly string[];
  readonly script?: readonly string[];
  readonly after_script?: readonly string[];
  readonly cache?: { readonly key: string; readonly paths: readonly string[] };
  readonly allow_failure?: { readonly exit_codes: string };
  readonly artifacts?: {
    readonly when?: string;
    readonly paths?: readonly string[];
    readonly reports?: Readonly<Record<string, string>>;
  };
  readonly parallel?: { readonly matrix: readonly Readonly<Record<string, readonly string[]>>[] };
  readonly timeout?: string;
}

export type GitLabPipeline = Readonly<Record<string, GitLabJob>>;

export interface GitLabResult {
  readonly status: 'success' | 'warning' | 'failed';
  readonly cacheKey: string;
  /** Variables that it hands to later jobs. */
  readonly dotenv: Readonly<Record<string, string>>;
  readonly log: string;
}

/** A job with what it takes over from the one that it extends. */
export function gitLabJob(pipeline: GitLabPipeline, name: string): GitLabJob {
  const job = pipeline[name];
  if (job === undefined) throw new Error(`the pipeline has no job ${name}`);
  return job.extends === undefined ? job : { ...gitLabJob(pipeline, job.extends), ...job };
}

export async function runGitLabJob(
  job: GitLabJob,
  workspace: PipelineWorkspace,
  variables: Readonly<Record<string, string>>,
): Promise<GitLabResult> {
  const all: Record<string, string> = { CI_PROJECT_DIR: workspace.directory, ...variables };
  for (const [name, text] of Object.entries(job.variables ?? {})) all[name] = expand(text, all);
  const lines = [...(job.before_script ?? []), ...(job.script ?? [])];
  const main = await workspace.bash(lines.join('\n'), all);
  const after = await workspace.bash((job.after_script ?? []).join('\n'), {
    ...all,
    CI_JOB_STATUS: main.code === 0 ? 'success' : 'failed',
  });
  const allowed = job.allow_failure?.exit_codes === String(main.code);
  const dotenv = await workspace.read(job.artifacts?.reports?.['dotenv'] ?? '.none');
  return {
    status: main.code === 0 ? 'success' : allowed ? 'warning' : 'failed',
    cacheKey: expand(job.cache?.key ?? '', all),
    dotenv: Object.fromEntries(
      dotenv
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    ),
    log: main.output + after.output,
  };
}

function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\w+)/g, (_all, name: string) => variables[name] ?? '');
}
