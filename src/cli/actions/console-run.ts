/** Carries `vsbypass console run` out. */
import { ExitCode } from '../../base/errors.js';
import { isShadowed, openConsole } from '../../console/client/open.js';
import { warnNotSecure } from '../../console/client/operator.js';
import { scriptPeer, withConnection } from '../../console/dialogue/at-console.js';
import { runInShell } from '../../console/dialogue/shell-run.js';
import { Sanitizer } from '../../console/sanitize.js';
import { shellQuote } from '../../host/ssh.js';
import type { KeyOptions } from '../commands/console-key-options.js';
import type { LoginFlags } from '../commands/login-options.js';
import type { CliContext } from '../context.js';
import { printJson } from '../output.js';
import { passwordOf, promptsOf } from './login.js';

/** How long the console may take to be left, milliseconds. */
const closeLimitMs = 5000;

export interface RunOptions extends KeyOptions, LoginFlags {
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
  const prompts = promptsOf(options);
  const command = words.length === 1 ? words.join('') : words.map(shellQuote).join(' ');
  const access = await context.instance();
  if (!isShadowed(access, vm)) await warnNotSecure(stderr, env, vm);
  // It outlives an interruption: what runs has to be ended, and root logged out.
  const line = new AbortController();
  const give = (): void => line.abort(signal.reason);
  signal.addEventListener('abort', give, { once: true });
  const connection = await openConsole({
    ...{ access, vm, signal: line.signal },
    attach: { as: options.take ? 'take' : 'write', replay: 'none', sanitize: false },
    credentials: { ...options, agentSocket: env['SSH_AUTH_SOCK'] },
  }).finally(() => signal.removeEventListener('abort', give));
  // A terminal is to survive what comes; everything else gets it as it is.
  const sanitizer = stdout.isTTY === true ? new Sanitizer() : undefined;
  const output: Buffer[] = [];
  return await withConnection(connection, signal, async () => {
    const status = await runInShell(scriptPeer(connection), {
      ...{ user: options.user, password, ...prompts, command, signal },
      timeoutMs: options.timeout * 1000,
      onOutput: (bytes) => {
        if (options.json) output.push(bytes);
        else stdout.write(sanitizer?.push(bytes) ?? bytes);
      },
      onBooting: (limitMs) =>
        stderr.write(
          `vsbypass: ${vm} prints, but has no prompt yet: waiting for one, up to ${limitMs / 1000} s\n`,
        ),
      onLeftOpen: () =>
        stderr.write(
          `vsbypass: the console of ${vm} was not left as it was found: ${options.user} may be logged in there, ` +
            `and the command may still run; look with \`vsbypass console ${vm}\`\n`,
        ),
    });
    await connection.close(closeLimitMs);
    if (!options.json) return status;
    const text = Buffer.concat(output).toString('utf8');
    printJson(context, { schemaVersion: 1, vm, exitCode: status, output: text });
    return ExitCode.ok;
  });
}
