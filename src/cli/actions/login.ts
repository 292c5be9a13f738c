/** How a command logs in on a VM's console, by its options. */
import { VsbError } from '../../base/errors.js';
import {
  defaultLoginPrompt,
  defaultPasswordPrompt,
  defaultPrompt,
  type Prompts,
} from '../../console/dialogue/prompts.js';
import { parsePattern } from '../../console/dialogue/script.js';
import { existingInstance } from '../../instance/access.js';
import { readPasswords } from '../../state/secrets.js';
import type { LoginFlags } from '../commands/login-options.js';
import type { CliContext } from '../context.js';
import { readSecret, secretOf } from './console-steps.js';

/** @throws VsbError E_USAGE: one of them is no regular expression */
export function promptsOf(flags: LoginFlags): Prompts {
  return {
    prompt: parsePattern(flags.prompt ?? defaultPrompt, '--prompt'),
    loginPrompt: parsePattern(flags.loginPrompt ?? defaultLoginPrompt, '--login-prompt'),
    passwordPrompt: parsePattern(
      flags.passwordPrompt ?? defaultPasswordPrompt,
      '--password-prompt',
    ),
  };
}

/**
 * The password, by default the one that was made for root in this VM; undefined where none is known.
 * @throws VsbError E_USAGE, E_FILE
 */
export async function passwordOf(
  context: CliContext,
  vm: string,
  { user, passwordEnv, passwordFile }: LoginFlags,
): Promise<Buffer | undefined> {
  if (passwordEnv !== undefined && passwordFile !== undefined) {
    throw new VsbError('E_USAGE', '--password-env and --password-file contradict each other');
  }
  if (passwordEnv !== undefined) return secretOf(passwordEnv, context.env, '--password-env');
  if (passwordFile !== undefined) return await readSecret(passwordFile, '--password-file');
  if (user !== 'root') return undefined;
  const made = (await readPasswords(await existingInstance(context.global.name))).get(vm);
  return made === undefined ? undefined : Buffer.from(made);
}
