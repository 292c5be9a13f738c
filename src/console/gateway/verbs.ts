/** The verbs that answer and end: who is there, the VM's state, its history, a BREAK, its terminal's size. */
import { errnoOf, ExitCode, messageOf, VsbError } from '../../base/errors.js';
import { terminalSizeCommand, type ScreenSize } from '../../base/terminal-size.js';
import { verbHelp, type Verb } from '../../contract/gateway.js';
import type { Session } from '../hub/session.js';
import type { VmConsole } from '../hub/vm-console.js';
import type { Identity } from './auth.js';
import { Sanitizer } from '../sanitize.js';

export interface VerbContext {
  readonly console: VmConsole;
  readonly identity: Identity;
  /** Where from, for those who see who it was. */
  readonly peer: string;
  /** Whether the key may type at this console. */
  readonly mayWrite: boolean;
  /** The client's terminal, if it has one. */
  readonly size: ScreenSize | undefined;
  /** The console's screen, for that terminal. */
  readonly drawScreen: () => Promise<Buffer>;
}

export type AnsweredVerb = Exclude<Verb, { verb: 'attach' | 'write' | 'redraw' }>;

/**
 * Carries it out.
 * @returns what the client sees, lines ended by LF
 * @throws VsbError E_CONSOLE_AUTH when it takes the right to type, E_CONSOLE_REFUSED while somebody else does
 */
export async function runVerb(verb: AnsweredVerb, context: VerbContext): Promise<Buffer> {
  const { console } = context;
  switch (verb.verb) {
    case 'help':
      return text(verbHelp.map((line) => `  ${line}`));
    case 'who':
      return verb.json ? json(whoDocument(context)) : text(whoLines(console));
    case 'status':
      return verb.json ? json(statusDocument(console)) : text(statusLines(console));
    case 'history':
      return await history(verb, context);
    case 'break':
      await asWriter(verb.take, context, async (session) => {
        await session.sendBreak();
        if (verb.key !== undefined) session.write(Buffer.from(verb.key, 'latin1'));
      });
      return text([verb.key === undefined ? 'BREAK sent' : `BREAK and '${verb.key}' sent`]);
    case 'size': {
      const { size } = context;
      if (size === undefined) {
        const hint = 'ask for one: ssh -t';
        throw new VsbError('E_CONSOLE_REFUSED', 'there is no terminal to take the size of', {
          hint,
        });
      }
      const command = terminalSizeCommand(size);
      await asWriter(verb.take, context, (session) => void session.write(Buffer.from(command)));
      return text([`typed: ${command.trim()}`]);
    }
  }
}

/** How sessions of this connection are called in lists. */
function labelOf({ identity, peer }: VerbContext): string {
  return `${identity.label} ${peer}`;
}

/** Opens a session for a moment, to type. */
async function asWriter(
  take: boolean,
  context: VerbContext,
  act: (session: Session) => void | Promise<void>,
): Promise<void> {
  const { console, mayWrite } = context;
  if (!mayWrite) throw mayNotType(console.name);
  const session = console.openSession({ mode: 'rw', label: labelOf(context), from: 'now', take });
  try {
    session.claim(false);
    await act(session);
  } finally {
    session.close();
  }
}

/** For a key that may only watch. */
export function mayNotType(vm: string): VsbError {
  return new VsbError('E_CONSOLE_AUTH', `this key may only watch '${vm}'`, { layer: 'console' });
}

async function history(
  { replay, sanitize }: Extract<Verb, { verb: 'history' }>,
  { console, drawScreen }: VerbContext,
): Promise<Buffer> {
  const bytes = replay === 'lines' ? console.history.snapshot() : await drawScreen();
  return sanitize ? new Sanitizer().push(bytes) : bytes;
}

function whoDocument(context: VerbContext): Record<string, unknown> {
  const { console } = context;
  const own = labelOf(context);
  const sessions = console.info().sessions.map(({ label, mode, writes, since, missed }) => ({
    who: label,
    /** Of the connection that asks. */
    you: label === own,
    may: mode === 'rw' ? 'write' : 'watch',
    writes,
    since: since.toISOString(),
    missed,
  }));
  return { schemaVersion: 1, vm: console.name, sessions };
}

function whoLines(console: VmConsole): string[] {
  const { sessions } = console.info();
  if (sessions.length === 0) return [`nobody is at the console of ${console.name}`];
  return sessions.map(({ label, mode, writes, since, missed }) => {
    const role = writes ? 'types   ' : mode === 'rw' ? 'waits   ' : 'watches ';
    const lost = missed === 0 ? '' : `, missed ${missed} bytes`;
    return `${role} ${label} since ${since.toISOString().slice(0, 19)}Z${lost}`;
  });
}

function statusDocument(console: VmConsole): Record<string, unknown> {
  const { name, state, vm, bytesOut, bytesKept, bytesIn, sessions } = console.info();
  return {
    ...{ schemaVersion: 1, vm: name, state, secure: vm?.hooked === true, slot: vm?.slot },
    ...{ bytesOut, bytesKept, bytesIn, sessions: sessions.length },
  };
}

function statusLines(console: VmConsole): string[] {
  const { name, state, vm, bytesOut, bytesKept, bytesIn, sessions } = console.info();
  const writer = sessions.find(({ writes }) => writes)?.label ?? 'nobody';
  const path =
    vm?.hooked === true
      ? `secure: shadow UART of slot ${vm.slot}, past the virtualized system`
      : 'NOT SECURE: COM1 is left to the virtualized system';
  return [
    `VM ${name}: ${state}`,
    `path: ${path}`,
    `output: ${bytesOut} bytes, the last ${bytesKept} are kept; input: ${bytesIn} bytes`,
    `sessions: ${sessions.length}, types: ${writer}`,
  ];
}

/** The status of an exec request that failed: the error's exit code. */
export function verbStatus(error: unknown): number {
  return error instanceof VsbError ? error.exitCode : ExitCode.bug;
}

/** The line for a client whose request is refused. */
export function refusalText(error: unknown): string {
  if (error instanceof VsbError) return `${error.message} [${error.code}]`;
  return `${messageOf(error)}${errnoOf(error) === undefined ? '' : ` (${errnoOf(error)})`}`;
}

function text(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

function json(document: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
}
