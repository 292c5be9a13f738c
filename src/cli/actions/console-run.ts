/** Carries `vsbypass console run` out. */
import { ExitCode, VsbError } from '../../base/errors.js';
import { isShadowed, openConsole } from '../../console/client/open.js';
import { warnNotSecure } from '../../console/client/operator.js';
import { scriptPeer, withConnection } from '../../console/dialogue/at-console.js';
import { Conversation } from '../../console/dialogue/conversation.js';
import { parseExpectPattern } from '../../console/dialogue/script.js';
import { runInShell } from '../../console/dialogue/shell-run.js';
import { shellQuote } from '../../host/ssh.js';
import { existingInstance } from '../../instance/access.js';
import { readPasswords } from '../../state/secrets.js';
import type { KeyOptions } from '../commands/console-key-options.js';
import type { CliContext } from '../context.js';
import { printJson } from '../output.js';
import { readSecret, secretOf } from './console-steps.js';

/** How long the console may take to be left, milliseconds. */
const closeLimitMs = 5000;

export interface RunOptions extends KeyOptions {
  readonly user: string;
  readonly passwordEnv?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly prompt: string;
  readonly timeout: number;
  readonly take: boolean;
  readonly json: boolean;
}

/** @returns the command's exit status; with `--json` 0, and the status is in the document */
export async function runOnConsole(
  context: CliContext,
  vm: string,
  words: readonly string[],
  options: RunOptions,
): Promise<number> {
  const { stdout, stderr, signal, env } = context;
  const password = await passwordOf(context, vm, options);
  const prompt = parseExpectPattern(options.prompt);
  const command = words.length === 1 ? words.join('') : words.map(shellQuote).join(' ');
  const access = await context.instance();
  if (!isShadowed(access, vm)) await warnNotSecure(stderr, env, vm);
  const connection = await openConsole({
    ...{ access, vm, signal },
    attach: { as: options.take ? 'take' : 'write', replay: 'none', sanitize: false },
    credentials: { ...options, agentSocket: env['SSH_AUTH_SOCK'] },
  });
  let output = '';
  return await withConnection(connection, signal, async () => {
    // Shells ask the terminal for its size in their prompts.
    const talk = new Conversation(scriptPeer(connection), { stripAnsi: true, signal });
    const status = await runInShell(talk, {
      ...{ user: options.user, password, prompt, command },
      timeoutMs: options.timeout * 1000,
      onOutput: (text) => {
        if (options.json) output += text;
        else stdout.write(text);
      },
    });
    await connection.close(closeLimitMs);
    if (!options.json) return status;
    printJson(context, { schemaVersion: 1, vm, exitCode: status, output });
    return ExitCode.ok;
  });
}

async function passwordOf(
  context: CliContext,
  vm: string,
  { user, passwordEnv, passwordFile }: RunOptions,
): Promise<Buffer | undefined> {
  if (passwordEnv !== undefined && passwordFile !== undefined) {
    throw new VsbError('E_USAGE', '--password-env and --password-file contradict each other');
  }
  if (passwordEnv !== undefined) return secretOf(passwordEnv, context.env, '--password-env');
  if (passwordFile !== undefined) return await readSecret(passwordFile, '--password-file');
  if (user !== 'root') return undefined;
  const made = (await readPasswords(await existingInstance(context.global.name)))[vm];
  return made === undefined ? undefined : Buffer.from(made);
}
