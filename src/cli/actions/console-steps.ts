/** The steps of a console script, from the command line, where their order counts. */
import { readFile } from 'node:fs/promises';

import { errnoOf, VsbError } from '../../base/errors.js';
import {
  parseExpectPattern,
  parseSendText,
  type ScriptStep,
} from '../../console/dialogue/script.js';

export const defaultTimeoutSeconds = 30;

/** The options of a script as they stand there. */
export type RawStep =
  | { readonly type: 'expect' | 'send' | 'send-file' | 'send-env'; readonly value: string }
  | { readonly type: 'timeout'; readonly seconds: number };

/** Checks the steps of a script before anything is sent, and reads their files and variables. */
export async function prepareSteps(
  raw: readonly RawStep[],
  env: NodeJS.ProcessEnv,
): Promise<ScriptStep[]> {
  if (raw.length === 0) return [];
  const steps: ScriptStep[] = [];
  let timeoutMs = defaultTimeoutSeconds * 1000;
  for (const step of raw) {
    switch (step.type) {
      case 'timeout':
        timeoutMs = step.seconds * 1000;
        break;
      case 'expect':
        steps.push({ type: 'expect', pattern: parseExpectPattern(step.value), timeoutMs });
        break;
      case 'send':
        steps.push({ type: 'send', bytes: parseSendText(step.value) });
        break;
      case 'send-file':
        steps.push(secretStep(await readSecret(step.value, '--send-file')));
        break;
      case 'send-env':
        steps.push(secretStep(secretOf(step.value, env, '--send-env')));
        break;
    }
  }
  if (steps.length === 0) {
    throw new VsbError('E_USAGE', '--timeout alone is no script', {
      hint: 'add --expect or --send',
    });
  }
  return steps;
}

function secretStep(bytes: Buffer): ScriptStep {
  return { type: 'send', bytes, secret: true };
}

/** A variable's value. @throws VsbError E_USAGE when it is not set */
export function secretOf(name: string, env: NodeJS.ProcessEnv, option: string): Buffer {
  const value = env[name];
  if (value !== undefined) return Buffer.from(value);
  throw new VsbError('E_USAGE', `${option}: the variable ${name} is not set`);
}

/**
 * A file's content; the line end that an editor leaves at its end is not part of a password.
 * @throws VsbError E_FILE
 */
export async function readSecret(path: string, option: string): Promise<Buffer> {
  try {
    const content = await readFile(path);
    const end = content.at(-1) === 0x0a ? (content.at(-2) === 0x0d ? -2 : -1) : content.length;
    return content.subarray(0, end);
  } catch (cause) {
    const message = `${option}: cannot read ${path}: ${errnoOf(cause) ?? 'unknown error'}`;
    throw new VsbError('E_FILE', message, { cause });
  }
}
