/**
 * The manual page, made of the tree of commands, so that it says what this version does. In man(7)'s
 * macros; `mandoc -T lint` and groff have nothing to say about it.
 */
import type { Argument, CommandUnknownOpts as Command, Option } from '@commander-js/extra-typings';

import { exitCodeRows } from '../base/errors.js';
import { packageVersion } from '../base/version.js';
import { examples } from './program.js';

/** When the texts of this file were changed last. */
const DATE = '2026-11-25';

const environment: readonly (readonly [name: string, text: string])[] = [
  ['VSBYPASS_NAME', 'the instance meant when --name is not given'],
  ['VSBYPASS_DEADLINE', 'when to end, where --deadline is not given'],
  ['XDG_STATE_HOME, XDG_CACHE_HOME, XDG_RUNTIME_DIR', 'where the files below are'],
  ['SSH_AUTH_SOCK', 'the SSH agent, for console --agent'],
  ['NO_COLOR', 'if set, nothing is printed in colour'],
];

const files: readonly (readonly [name: string, text: string])[] = [
  ['vsbypass.json', 'the configuration, in the current folder'],
  ['~/.local/state/vsbypass/instances/NAME', 'keys, passwords and logs of an instance'],
  ['~/.cache/vsbypass', 'the images that build made'],
  ['~/.local/state/vsbypass/instances/NAME/run', 'its sockets, or a link to where they are'],
];

/** @param program the tree */
export function renderManPage(program: Command): string {
  const name = program.name();
  return [
    `.TH ${name.toUpperCase()} 1 ${DATE} "${name} ${packageVersion()}"`,
    '.SH NAME',
    ...prose(`${name} - ${program.description()}`),
    '.SH SYNOPSIS',
    `.B ${text(name)}`,
    text('[options] command ...'),
    '.SH OPTIONS',
    ...optionLines(program),
    '.SH COMMANDS',
    ...commandLines(program),
    '.SH EXAMPLES',
    ...preformatted(examples.trim()).slice(1),
    '.SH EXIT STATUS',
    ...tagged(exitCodeRows()),
    '.SH ENVIRONMENT',
    ...tagged(environment),
    '.SH FILES',
    ...tagged(files),
    '.SH SEE ALSO',
    '.BR ssh (1),',
    '.BR xl (1),',
    '.BR qemu\\-system\\-x86_64 (1)',
    '',
  ].join('\n');
}

function commandLines(parent: Command): string[] {
  return parent
    .createHelp()
    .visibleCommands(parent)
    .filter((command) => command.name() !== 'help')
    .flatMap((command) => [
      `.SS ${text(`${pathOf(command)} ${usageOf(command)}`.trim())}`,
      ...prose(sentence(command.description())),
      ...argumentLines(command),
      ...optionLines(command),
      ...preformatted(textAfterHelp(command)),
      ...commandLines(command),
    ]);
}

/** `vm hook`: the words that lead to a command, without the program's name. */
function pathOf(command: Command): string {
  const above = command.parent;
  return above?.parent ? `${pathOf(above)} ${command.name()}` : command.name();
}

function usageOf(command: Command): string {
  const operands = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  const below = command.commands.length > 0 ? ['[command]'] : [];
  return [...(command.options.length > 0 ? ['[options]'] : []), ...operands, ...below].join(' ');
}

function argumentLines(command: Command): string[] {
  const described = command.registeredArguments.filter(
    (argument) => argument.description !== '' || argument.argChoices !== undefined,
  );
  return tagged(described.map((argument) => [argument.name(), explained(argument)] as const));
}

function optionLines(command: Command): string[] {
  return tagged(
    command
      .createHelp()
      .visibleOptions(command)
      // Said once, at the top.
      .filter((option) => command.parent === null || option.long !== '--help')
      .map((option) => [option.flags, explained(option)] as const),
  );
}

/** The description, with what may be given and what holds if nothing is. */
function explained(taker: Option | Argument): string {
  const extra: string[] = [];
  if (taker.argChoices !== undefined) extra.push(`one of ${taker.argChoices.join(', ')}`);
  const { defaultValue } = taker as { defaultValue: unknown };
  if (typeof defaultValue === 'string' || typeof defaultValue === 'number') {
    extra.push(`default ${defaultValue}`);
  }
  const both = [taker.description, ...(extra.length > 0 ? [`(${extra.join('; ')})`] : [])];
  return both.join(' ').trim();
}

/** What a command's help shows below its options: examples and explanations. */
function textAfterHelp(command: Command): string {
  let whole = '';
  const before = { ...command.configureOutput() };
  command.configureOutput({ writeOut: (part) => (whole += part) });
  command.outputHelp();
  command.configureOutput(before);
  return whole.slice(command.helpInformation().length).trim();
}

function tagged(entries: readonly (readonly [tag: string, text: string])[]): string[] {
  return entries.flatMap(([tag, body]) => ['.TP', `.B ${text(tag)}`, ...prose(sentence(body))]);
}

function preformatted(block: string): string[] {
  if (block === '') return [];
  // An empty line is a request for space only outside of a no-fill block.
  return [
    '.PP',
    '.nf',
    ...block.split('\n').map((line) => (line === '' ? '.sp' : text(line))),
    '.fi',
  ];
}

/** Lines that roff fills: short ones, as it wants them. */
function prose(body: string): string[] {
  const lines: string[] = [];
  for (const word of body.split(/\s+/)) {
    const line = lines.at(-1);
    // Escapes make a word up to four times as long.
    if (line === undefined || text(`${line} ${word}`).length > 80) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.map(text);
}

function sentence(body: string): string {
  return body.charAt(0).toUpperCase() + body.slice(1);
}

/** Text for roff: no character of it is taken for a request or an escape. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replace(/^\./, '\\&.');
}
