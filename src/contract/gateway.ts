/** What clients and the gateway agree on beyond SSH itself. */
import { ExitCode } from '../base/errors.js';

/**
 * The signal request (RFC 4254, 6.9) that stands for a BREAK from our client. ssh2's client has no call
 * for the `break` request of RFC 4335, which the gateway takes from OpenSSH, and no other signal names
 * than POSIX's; a serial line has no other use for signals.
 */
export const BREAK_SIGNAL = 'USR1';

/** Why the gateway drops who has tried too many logins (NO_MORE_AUTH_METHODS_AVAILABLE of RFC 4253, 11.1). */
export const TOO_MANY_LOGINS = 14;
/** The exit status of a session that ended because nothing was typed for too long: whoever comes back may open another. */
export const IDLE_STATUS = ExitCode.deadline;

/** How the line begins that says why something is refused; it ends with the error's code in brackets. */
export const REFUSAL = 'vsbypass: ';

/**
 * How to attach: `auto` types if nobody else does, `watch` never, `take` takes typing over, `write` is
 * refused when it cannot type.
 */
export const attachModes = ['auto', 'watch', 'take', 'write'] as const;
export type AttachMode = (typeof attachModes)[number];

/** What to see first: the screen as it is now, all output that is kept, or only what comes from now on. */
export const replays = ['screen', 'lines', 'none'] as const;
export type Replay = (typeof replays)[number];

export interface AttachRequest {
  readonly as: AttachMode;
  /** Undefined: the screen on a terminal, else the lines. */
  readonly replay: Replay | undefined;
  /** Whether to take out what could attack the user's terminal. */
  readonly sanitize: boolean;
}

/** What may be asked for by an exec request; anything else is refused. A shell request is a plain `attach`. */
export type Verb =
  | ({ readonly verb: 'attach' } & AttachRequest)
  | { readonly verb: 'who' | 'status'; readonly json: boolean }
  | { readonly verb: 'history'; readonly replay: 'screen' | 'lines'; readonly sanitize: boolean }
  /** A BREAK, and then a key: Linux's SysRq. */
  | { readonly verb: 'break'; readonly take: boolean; readonly key: string | undefined }
  /** Types `stty` with the size of the client's terminal. */
  | { readonly verb: 'size'; readonly take: boolean }
  /** Makes the sessions of this connection the ones that type. */
  | { readonly verb: 'write' }
  /** Draws the screens of the sessions of this connection again. */
  | { readonly verb: 'redraw' }
  | { readonly verb: 'help' };

export const verbHelp = [
  'attach [watch|take|write] [screen|lines|none] [sanitize]   the console (as without a command)',
  'watch, take                       short for `attach watch`, `attach take`',
  'who [json]                        who is at this console',
  'status [json]                     the VM, its output, its path',
  'history [screen|lines] [sanitize] what is kept of its output',
  'break [take] [KEY]                a BREAK, then one key (SysRq)',
  'size [take]                       types `stty rows R cols C` (needs a terminal: ssh -t)',
] as const;

/** Longest command looked at, characters. */
const MAX_COMMAND = 200;

/** The verb of an exec request; undefined if it is none of the closed list. */
export function parseVerb(command: string): Verb | undefined {
  if (command.length > MAX_COMMAND) return undefined;
  const [name, ...rest] = command.trim().split(/\s+/);
  const words = new Words(rest);
  const verb = verbOf(name, words);
  return words.empty ? verb : undefined;
}

function verbOf(name: string | undefined, words: Words): Verb | undefined {
  switch (name) {
    case 'attach':
      return attach(words.oneOf(attachModes) ?? 'auto', words);
    case 'watch':
    case 'take':
      return attach(name, words);
    case 'who':
    case 'status':
      return { verb: name, json: words.flag('json') };
    case 'history': {
      const replay = words.oneOf(['screen', 'lines'] as const) ?? 'lines';
      return { verb: 'history', replay, sanitize: words.flag('sanitize') };
    }
    case 'break': {
      const take = words.flag('take');
      return { verb: 'break', take, key: words.matching(/^[!-~]$/) };
    }
    case 'size':
      return { verb: 'size', take: words.flag('take') };
    case 'write':
    case 'redraw':
    case 'help':
      return { verb: name };
    default:
      return undefined;
  }
}

function attach(as: AttachMode, words: Words): Verb {
  const replay = words.oneOf(replays);
  return { verb: 'attach', as, replay, sanitize: words.flag('sanitize') };
}

/** The exec request of our client. */
export function attachCommand({ as, replay, sanitize }: AttachRequest): string {
  const words = ['attach', as, ...(replay === undefined ? [] : [replay])];
  return [...words, ...(sanitize ? ['sanitize'] : [])].join(' ');
}

/** Words that are taken from the front, if they are what is looked for. */
class Words {
  readonly #words: string[];

  constructor(words: string[]) {
    this.#words = words;
  }

  get empty(): boolean {
    return this.#words.length === 0;
  }

  oneOf<T extends string>(known: readonly T[]): T | undefined {
    const found = known.find((word) => word === this.#words[0]);
    if (found !== undefined) this.#words.shift();
    return found;
  }

  flag(word: string): boolean {
    return this.oneOf([word]) !== undefined;
  }

  matching(pattern: RegExp): string | undefined {
    return pattern.test(this.#words[0] ?? '') ? this.#words.shift() : undefined;
  }
}
