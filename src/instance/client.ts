/** The command line's end of the control protocol. */
import { createConnection, type Socket } from 'node:net';

import { abortable } from '../base/abortable.js';
import { VsbError, errnoOf, isErrorCode, isErrorLayer, messageOf } from '../base/errors.js';
import { LineSplitter } from '../base/line-splitter.js';
import {
  maximumLineBytes,
  replySchema,
  resultSchemas,
  type Method,
  type Parameters,
  type ResultOf,
} from '../contract/control.js';
import type { DaemonEvent } from '../contract/events.js';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Without it the call waits as long as the daemon takes: `up` has limits of its own. */
  readonly timeoutMs?: number | undefined;
  readonly onEvent?: (event: DaemonEvent) => void;
}

/**
 * Makes one call over a connection of its own.
 *
 * @throws VsbError: what the daemon says; E_DAEMON_GONE when it is not there or ends before it answers;
 *   E_DEADLINE; the signal's reason when it aborts (the daemon sees the connection go)
 */
export async function callDaemon<M extends Method>(
  socketPath: string,
  method: M,
  params: Parameters<M>,
  options: CallOptions = {},
): Promise<ResultOf<M>> {
  options.signal?.throwIfAborted();
  const socket = createConnection(socketPath);
  try {
    const result = await exchange(socket, method, params, options);
    const parsed = resultSchemas[method].safeParse(result);
    if (parsed.success) return parsed.data as ResultOf<M>;
    throw new VsbError('E_DAEMON', `the daemon's answer to ${method} makes no sense`, {
      hint: 'It may be of another version: `vsbypass down` ends it.',
      cause: parsed.error,
    });
  } finally {
    socket.destroy();
  }
}

async function exchange(
  socket: Socket,
  method: Method,
  params: unknown,
  options: CallOptions,
): Promise<unknown> {
  const lines = new LineSplitter(maximumLineBytes);
  const { signal, timeoutMs } = options;
  const late = (): VsbError =>
    new VsbError('E_DEADLINE', `no answer to ${method} in ${(timeoutMs ?? 0) / 1000} s`);
  return await abortable<unknown>(
    (resolve, reject) => {
      socket.on('connect', () => socket.write(`${JSON.stringify({ id: 1, method, params })}\n`));
      socket.on('error', (error) => reject(goneError(messageOf(error), error)));
      socket.on('close', () => reject(goneError('it ended before it answered')));
      socket.on('data', (chunk: Buffer) => {
        try {
          for (const line of lines.push(chunk)) {
            const reply = replySchema.parse(JSON.parse(line));
            if ('event' in reply) options.onEvent?.(reply.event);
            else if ('error' in reply) reject(revive(reply.error));
            else resolve(reply.result);
          }
        } catch (error) {
          const message = `the daemon's answer makes no sense: ${messageOf(error)}`;
          reject(new VsbError('E_DAEMON', message, { cause: error }));
        }
      });
      return undefined;
    },
    { signal, timeoutMs, late },
  );
}

function goneError(what: string, cause?: unknown): VsbError {
  const absent = errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'ECONNREFUSED';
  return new VsbError('E_DAEMON_GONE', absent ? 'no daemon runs' : `the daemon is gone: ${what}`, {
    hint: '`vsbypass status` tells what is left, `vsbypass up` recovers.',
    cause,
  });
}

/** The daemon's error as an error of this process. */
export function revive(error: {
  code: string;
  message: string;
  hint?: string | undefined;
  layer?: string | undefined;
  details?: Record<string, unknown> | undefined;
}): Error {
  if (!isErrorCode(error.code)) return new VsbError('E_DAEMON', error.message);
  return new VsbError(error.code, error.message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.layer !== undefined && isErrorLayer(error.layer) ? { layer: error.layer } : {}),
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
