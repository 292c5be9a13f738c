/** The tree of commands, for tests that only look at it. */
import { PassThrough } from 'node:stream';

import { createProgram } from '../../src/cli/program.js';

export function bareProgram(env: NodeJS.ProcessEnv = {}) {
  return createProgram(
    (globals) => ({
      env,
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      signal: new AbortController().signal,
      get global() {
        return globals();
      },
      instance: () => Promise.reject(new Error('there is none')),
      doing: () => {},
      exitWith: () => {},
    }),
    env,
  ).program;
}
