/** Runs the compiled command line with state of its own: `npm run build` comes before `npm test`. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const executable = fileURLToPath(new URL('../../bin/vsbypass.js', import.meta.url));

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param directory current folder, and root of all state
 * @param more variables of the environment
 */
export async function runCli(
  directory: string,
  words: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const env = {
    ...process.env,
    // What the program is to notice of where it runs, a test says itself.
    GITHUB_ACTIONS: undefined,
    VSBYPASS_NAME: undefined,
    XDG_STATE_HOME: directory,
    XDG_CACHE_HOME: directory,
    XDG_RUNTIME_DIR: directory,
    ...more,
  };
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      [executable, ...words],
      { cwd: directory, env },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}
