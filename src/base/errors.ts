/**
 * Expected failures. Each has a stable code that scripts may rely on, and one table says which
 * exit code of the command line it becomes. Anything else that is thrown is a bug (exit 1).
 */

/** Exit codes of the command line; the only place where these numbers are written down. */
export const ExitCode = {
  ok: 0,
  bug: 1,
  usage: 2,
  host: 3,
  layer: 4,
  leak: 5,
  regression: 6,
  console: 7,
  skipped: 77,
  deadline: 124,
  interrupted: 130,
  readerGone: 141,
  terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What each means to a user, for `--help` and the manual. */
const exitCodeMeanings: Readonly<Record<keyof typeof ExitCode, string>> = {
  ok: 'done',
  bug: 'a bug',
  usage: 'usage or configuration',
  host: 'the host lacks something',
  layer: 'a layer failed, or verify proved nothing',
  leak: 'a leak',
  regression: 'a regression',
  console: 'console authentication or host key',
  skipped: 'skipped',
  deadline: 'a deadline has passed',
  interrupted: 'ended by SIGINT',
  readerGone: 'nobody reads the output',
  terminated: 'ended by SIGTERM or SIGHUP',
};

/** Rows of code and meaning. */
export function exitCodeRows(): (readonly [code: string, meaning: string])[] {
  return Object.entries(ExitCode).map(([name, code]) => [
    String(code),
    exitCodeMeanings[name as keyof typeof ExitCode],
  ]);
}

/** Every expected error, with the exit code it leads to. */
const exitCodes = {
  E_INTERNAL: ExitCode.bug,

  // What was asked for cannot be right: command line, configuration, names.
  E_USAGE: ExitCode.usage,
  E_CONFIG: ExitCode.usage,
  E_INSTANCE_NAME: ExitCode.usage,
  E_INSTANCE_UNKNOWN: ExitCode.usage,
  E_INSTANCE_EXISTS: ExitCode.usage,
  E_BUSY: ExitCode.usage,
  E_INSTANCE_NOT_RUNNING: ExitCode.usage,
  E_VM_UNKNOWN: ExitCode.usage,
  E_VM_AMBIGUOUS: ExitCode.usage,
  // The testbed cannot have that interrupt path.
  E_IRQ_MODE: ExitCode.usage,
  E_VM_EXISTS: ExitCode.usage,
  // A system of the user's own: what was asked for needs access that was not given, or is done with its own tools.
  E_L2_ACCESS: ExitCode.usage,
  E_L2_OWN: ExitCode.usage,
  // A disk image that nothing boots from, or that would read other files of this host.
  E_DISK_IMAGE: ExitCode.usage,
  E_LAYER_UNKNOWN: ExitCode.usage,
  E_FILE: ExitCode.usage,

  // The machine lacks something.
  E_HOST: ExitCode.host,
  E_PACKAGE_MISSING: ExitCode.host,
  E_QEMU_MISSING: ExitCode.host,
  E_QEMU_TOO_OLD: ExitCode.host,
  E_ACCEL: ExitCode.host,
  E_NO_SPACE: ExitCode.host,
  E_NO_MEMORY: ExitCode.host,
  E_PORT_TAKEN: ExitCode.host,
  E_PATH_TOO_LONG: ExitCode.host,
  E_PERMISSION: ExitCode.host,
  E_BUILD: ExitCode.host,
  // It would have to be fetched, and `--offline` forbids that.
  E_NOT_CACHED: ExitCode.host,

  // A layer did not come up, or went away.
  E_LAYER_FAILED: ExitCode.layer,
  E_LAYER_HUNG: ExitCode.layer,
  E_LAYER_TIMEOUT: ExitCode.layer,
  E_QEMU_EXITED: ExitCode.layer,
  E_QMP: ExitCode.layer,
  E_QMP_COMMAND: ExitCode.layer,
  E_QMP_CLOSED: ExitCode.layer,
  E_DAEMON_GONE: ExitCode.layer,
  E_DAEMON: ExitCode.layer,
  E_SSH: ExitCode.layer,
  E_VM_START: ExitCode.layer,
  E_IRQ_SERVER: ExitCode.layer,
  E_VM_STOP: ExitCode.layer,
  E_LINK_CONNECT: ExitCode.layer,
  E_LINK_VERSION: ExitCode.layer,
  E_LINK_CLOSED: ExitCode.layer,
  E_LINK_REFUSED: ExitCode.layer,
  E_VM_GONE: ExitCode.layer,
  // `verify` could not be carried out, or its search has not shown that it would find.
  E_VERIFY: ExitCode.layer,

  E_LEAK: ExitCode.leak,
  E_REGRESSION: ExitCode.regression,

  // The secure console does not accept the other side.
  E_CONSOLE_AUTH: ExitCode.console,
  E_CONSOLE_HOST_KEY: ExitCode.console,
  E_CONSOLE_KEY: ExitCode.console,
  E_CONSOLE_UNREACHABLE: ExitCode.layer,
  E_CONSOLE_REFUSED: ExitCode.usage,
  E_CONSOLE_CLOSED: ExitCode.layer,
  // Nothing was typed for as long as a session may go without.
  E_CONSOLE_IDLE: ExitCode.deadline,

  E_SKIPPED: ExitCode.skipped,
  E_DEADLINE: ExitCode.deadline,
  E_EXPECT_TIMEOUT: ExitCode.deadline,
  E_LINK_TIMEOUT: ExitCode.deadline,
  E_INTERRUPTED: ExitCode.interrupted,
  // Whoever read the output is gone, and nothing else is wanted of the command.
  E_READER_GONE: ExitCode.readerGone,
  E_TERMINATED: ExitCode.terminated,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof exitCodes;

/** Whether a string from elsewhere (the daemon) is one of our codes. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(exitCodes, code);
}

const errorLayers = ['L0', 'L1', 'L2', 'L3', 'console', 'host'] as const;
/** Where a failure happened. */
export type ErrorLayer = (typeof errorLayers)[number];

export function isErrorLayer(layer: string): layer is ErrorLayer {
  return (errorLayers as readonly string[]).includes(layer);
}

export interface VsbErrorOptions {
  /** What the reader can do about it, one sentence. */
  hint?: string;
  layer?: ErrorLayer;
  /** Data for `--json` and for the reporters: phase, log path, last lines... */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** An expected failure: code, exit code, hint, layer, cause. */
export class VsbError extends Error {
  override readonly name = 'VsbError';
  readonly code: ErrorCode;
  readonly exitCode: ExitCode;
  readonly hint?: string;
  readonly layer?: ErrorLayer;
  readonly details?: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: VsbErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = exitCodes[code];
    if (options.hint !== undefined) this.hint = options.hint;
    if (options.layer !== undefined) this.layer = options.layer;
    if (options.details !== undefined) this.details = options.details;
  }

  /** The document form, for `--json`. */
  toJSON(): {
    code: ErrorCode;
    exitCode: ExitCode;
    message: string;
    hint?: string;
    layer?: ErrorLayer;
    details?: Record<string, unknown>;
  } {
    return {
      code: this.code,
      exitCode: this.exitCode,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.layer === undefined ? {} : { layer: this.layer }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** The exit code for whatever was thrown: a VsbError's own, else 1 (a bug). */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof VsbError ? error.exitCode : ExitCode.bug;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `errno` name (`ENOENT`, ...) of a Node system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Expected failures as values. */
export type Result<T, E = VsbError> = { ok: true; value: T } | { ok: false; error: E };

export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

export function err<E>(error: E): { ok: false; error: E } {
  return { ok: false, error };
}
