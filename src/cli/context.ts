/**
 * What every command gets from main.ts, so that no command reaches for process-wide state itself:
 * streams, environment, the signal that Ctrl-C aborts, and the way to an instance's files.
 *
 * A command file exports `function xyzCommand(context: CliContext): Command`; it imports nothing
 * heavy at the top, its action imports the implementation (see style: `--help` in under 200 ms).
 */
import type { Readable, Writable } from 'node:stream';

import type { Command } from '@commander-js/extra-typings';

import type { InstanceAccess } from '../console/client/instance-access.js';

/** Process-wide choices that are valid for all commands. */
export interface GlobalOptions {
  /** The instance meant, `default` unless `--name` or VSBYPASS_NAME says so. */
  readonly name: string;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** `--deadline`: a duration or a moment; empty or absent: none. */
  readonly deadline?: string | undefined;
}

export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: Writable & { isTTY?: boolean };
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  /**
   * Aborted by SIGINT, SIGTERM and SIGHUP, and by the deadline; its reason is the VsbError to end with (exit 130,
   * 143 or 124).
   */
  readonly signal: AbortSignal;
  /** The global options; valid from within an action only, after parsing. */
  readonly global: GlobalOptions;
  /**
   * Looks an instance up, the one of `--name` by default.
   * @throws VsbError E_INSTANCE_UNKNOWN when there is none of that name, E_INSTANCE_NAME when the name is malformed
   */
  instance(name?: string): Promise<InstanceAccess>;
  /** Says what the command does from now on, as in "the deadline passed while ...". */
  doing(what: string): void;
  /** Sets what the process exits with when the command ends without an error. */
  exitWith(code: number): void;
}

/** What a command file exports. */
export type CommandFactory = (context: CliContext) => Command;
