/** Options of commands that log in on a VM's console. */
import type { Command, OptionValues } from '@commander-js/extra-typings';

// A type, not an interface: commander wants an index signature.
export type LoginFlags = {
  readonly user: string;
  readonly passwordEnv?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly prompt?: string | undefined;
  readonly loginPrompt?: string | undefined;
  readonly passwordPrompt?: string | undefined;
};

export function loginOptions<O extends OptionValues>(
  command: Command<[], O>,
): Command<[], O & LoginFlags> {
  return (command as unknown as Command)
    .option('--user <name>', 'who to log in as', 'root')
    .option('--password-env <name>', 'variable with the password')
    .option('--password-file <file>', 'file with the password, less one line end at its end')
    .option(
      '--prompt <regex>',
      'what the shell prompts with (default: the signs `#$%>`, `(initramfs)`)',
    )
    .option('--login-prompt <regex>', 'what asks for a name (default: `login:`)')
    .option(
      '--password-prompt <regex>',
      'what asks for a password (default: in the languages of the usual distributions)',
    ) as unknown as Command<[], O & LoginFlags>;
}
