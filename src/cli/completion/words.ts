/** What a word on the command line may be, from the tree of commands and what was typed before it. */
import type { Argument, CommandUnknownOpts as Command, Option } from '@commander-js/extra-typings';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** Names that the tree does not know; asked for only when one is wanted. */
export interface NameSources {
  instances(): Promise<readonly string[]>;
  /** Of the instance that the command line means. */
  vms(instance: string): Promise<readonly string[]>;
  layers(): Promise<readonly string[]>;
}

/** `files`: a path on this host. */
export type Completion = readonly Candidate[] | 'files';

/** Where the words before the last one lead to. */
interface Place {
  readonly command: Command;
  /** Options may stand here: there was no `--`. */
  readonly optionsAllowed: boolean;
  /** Arguments given to the command so far. */
  readonly operands: number;
  /** The option whose value comes next. */
  readonly option: Option | undefined;
  /** The value of `--name`, if it was given. */
  readonly instance: string | undefined;
}

/**
 * @param program the tree
 * @param words after the program's name; the last one, perhaps empty, is the one to complete
 */
export async function complete(
  program: Command,
  words: readonly string[],
  sources: NameSources,
): Promise<Completion> {
  const last = words.at(-1) ?? '';
  const place = follow(program, words.slice(0, -1));
  const names = (kind: string): Promise<Completion> => namesOf(kind, place, program, sources);
  if (place.option !== undefined) {
    return startingWith(last, await valuesOf(place.option, names));
  }
  if (place.optionsAllowed && last.startsWith('-')) {
    const [flag, value] = splitAtEquals(last);
    if (value === undefined) return startingWith(last, optionCandidates(place.command));
    const option = findOption(place.command, flag);
    if (option === undefined) return [];
    const values = await valuesOf(option, names);
    if (values === 'files') return values;
    return startingWith(
      last,
      values.map((one) => ({ ...one, value: `${flag}=${one.value}` })),
    );
  }
  return startingWith(last, await operandCandidates(place, names));
}

function follow(program: Command, words: readonly string[]): Place {
  let command = program;
  let operands = 0;
  let option: Option | undefined;
  let instance: string | undefined;
  let optionsAllowed = true;
  for (const word of words) {
    if (option !== undefined) {
      if (option.attributeName() === 'name') instance = word;
      option = undefined;
    } else if (optionsAllowed && word === '--') {
      optionsAllowed = false;
    } else if (optionsAllowed && word.startsWith('-')) {
      const [flag, value] = splitAtEquals(word);
      const found = findOption(command, flag);
      if (found?.required !== true) continue;
      if (value === undefined) option = found;
      else if (found.attributeName() === 'name') instance = value;
    } else {
      const child = operands === 0 ? childOf(command, word) : undefined;
      if (child === undefined) {
        command = defaultChild(command) ?? command;
        operands++;
      } else command = child;
    }
  }
  return { command, operands, option, instance, optionsAllowed };
}

async function operandCandidates(
  { command, operands }: Place,
  names: (kind: string) => Promise<Completion>,
): Promise<Completion> {
  const children = operands > 0 ? [] : visibleChildren(command);
  const taker = defaultChild(command) ?? command;
  const argument = argumentAt(taker, operands);
  const values = argument === undefined ? [] : await valuesOf(argument, names);
  if (values === 'files') return children.length === 0 ? values : children;
  return [...children, ...values];
}

async function valuesOf(
  taker: Option | Argument,
  names: (kind: string) => Promise<Completion>,
): Promise<Completion> {
  const choices = taker.argChoices ?? [];
  if (choices.length > 0) return choices.map((value) => ({ value, description: '' }));
  return await names(valueName(taker));
}

/** What stands between the brackets: it says what kind of value is meant. */
function valueName(taker: Option | Argument): string {
  if ('flags' in taker) return /[<[]([^>\]]*)[>\]]/.exec(taker.flags)?.[1] ?? '';
  return taker.name();
}

async function namesOf(
  kind: string,
  { instance }: Place,
  program: Command,
  sources: NameSources,
): Promise<Completion> {
  const plain = (values: readonly string[]): Completion =>
    values.map((value) => ({ value, description: '' }));
  // `--name` has a default, which VSBYPASS_NAME may have set.
  const meant = instance ?? String(program.getOptionValue('name'));
  switch (kind) {
    case 'vm':
      return plain(await sources.vms(meant));
    case 'instance':
      return plain(await sources.instances());
    case 'layer': {
      const vms = await sources.vms(meant);
      return plain([...(await sources.layers()), ...vms.map((vm) => `vm:${vm}`)]);
    }
    case 'file':
      return 'files';
    default:
      return [];
  }
}

function optionCandidates(command: Command): Candidate[] {
  const seen = new Set<string>();
  return lineage(command)
    .flatMap((one) => one.createHelp().visibleOptions(one))
    .filter(({ long }) => typeof long === 'string' && !seen.has(long) && seen.add(long))
    .map(({ long, description }) => ({ value: long ?? '', description }));
}

function findOption(command: Command, flag: string): Option | undefined {
  return lineage(command)
    .flatMap((one) => one.options)
    .find(({ long, short }) => long === flag || short === flag);
}

/** The command, and those above it, whose options hold too. */
function lineage(command: Command): Command[] {
  const above = command.parent;
  const taker = defaultChild(command);
  return [
    ...(taker === undefined ? [] : [taker]),
    command,
    ...(above === null ? [] : lineage(above)),
  ];
}

function visibleChildren(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((child) => ({ value: child.name(), description: child.description() }));
}

function childOf(command: Command, name: string): Command | undefined {
  return command.commands.find((one) => one.name() === name || one.aliases().includes(name));
}

/** The subcommand that is meant when none is named; commander keeps it to itself. */
function defaultChild(command: Command): Command | undefined {
  const { _defaultCommandName: name } = command as unknown as { _defaultCommandName?: string };
  return name === undefined || name === null ? undefined : childOf(command, name);
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const { registeredArguments: all } = command;
  return all[index] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined);
}

function splitAtEquals(word: string): [flag: string, value: string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function startingWith(prefix: string, completion: Completion): Completion {
  if (completion === 'files') return completion;
  return completion.filter(({ value }) => value.startsWith(prefix));
}
