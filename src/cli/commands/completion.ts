/** `vsbypass completion`: scripts for the shells, and the hidden command by which they ask. */
import { Argument, Command } from '@commander-js/extra-typings';

import { shells, shellScripts, joinWordBreaks, renderCandidates } from '../completion/shells.js';
import type { CliContext } from '../context.js';
import { printLines } from '../output.js';

const examples = `
Examples:
  $ source <(vsbypass completion bash)       for this shell; also zsh
  $ vsbypass completion fish | source
  $ vsbypass completion bash > ~/.local/share/bash-completion/completions/vsbypass`;

export function completionCommand(context: CliContext): Command {
  return new Command('completion')
    .description('print a script that lets a shell complete commands, options and names')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText('after', examples)
    .action((shell) => {
      context.stdout.write(shellScripts[shell]);
    }) as unknown as Command;
}

export function completeCommand(context: CliContext): Command {
  const command = new Command('complete')
    .description('print what the last of the words may be')
    .addArgument(new Argument('<shell>').choices(shells))
    .argument('[words...]')
    .action(async (shell, words) => {
      const { complete } = await import('../completion/words.js');
      const { nameSources } = await import('../completion/names.js');
      const whole = shell === 'bash' ? joinWordBreaks(words) : words;
      const program = command.parent;
      if (program === null) throw new TypeError('`complete` stands for itself');
      const found = await complete(program, whole, nameSources());
      printLines(context, renderCandidates(shell, whole.at(-1) ?? '', found));
    });
  return command as unknown as Command;
}
