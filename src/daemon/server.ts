/** The daemon's end of the control protocol: reads requests, checks them, runs handlers, answers. */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

import { VsbError, messageOf } from '../base/errors.js';
import { parseJson } from '../base/json.js';
import { LineSplitter } from '../base/line-splitter.js';
import {
  maximumLineBytes,
  parameterSchemas,
  requestSchema,
  type Method,
  type ResultOf,
} from '../contract/control.js';
import type { DaemonEvent } from '../contract/events.js';
import type { z } from 'zod';

export interface RequestContext {
  /** Aborted when the client goes away before it has its answer. */
  readonly signal: AbortSignal;
  emit(event: DaemonEvent): void;
  /** Hands the connection over once the answer is sent; it carries no further requests. */
  readonly handOver: (to: (socket: Socket) => void) => void;
}

export type Handlers = {
  readonly [M in Method]: (
    parameters: z.output<(typeof parameterSchemas)[M]>,
    context: RequestContext,
  ) => Promise<ResultOf<M>>;
};

/** What the handlers of a client that went away are aborted with. */
export const clientGone = new VsbError('E_INTERRUPTED', 'the client went away');

export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** Listens; the socket's folder keeps others out. */
  static async listen(path: string, handlers: Handlers): Promise<ControlServer> {
    const server = new ControlServer(handlers);
    server.#server.listen(path);
    await once(server.#server, 'listening');
    return server;
  }

  private constructor(handlers: Handlers) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      serve(socket, handlers);
    });
  }

  /** Stops listening; answers already written are still delivered. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroySoon();
    await closed;
  }
}

function serve(socket: Socket, handlers: Handlers): void {
  const gone = new AbortController();
  const lines = new LineSplitter(maximumLineBytes);
  const send = (document: unknown): void => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(document)}\n`);
  };
  socket.on('error', () => undefined); // 'close' follows
  socket.on('close', () => gone.abort(clientGone));
  const onData = (chunk: Buffer): void => {
    try {
      for (const line of lines.push(chunk)) void answer(line);
    } catch {
      socket.destroy();
    }
  };
  socket.on('data', onData);

  async function answer(line: string): Promise<void> {
    const request = requestSchema.safeParse(parseJson(line));
    if (!request.success) {
      socket.destroy();
      return;
    }
    const { id, method, params } = request.data;
    let taker: ((socket: Socket) => void) | undefined;
    try {
      const context: RequestContext = {
        signal: gone.signal,
        emit: (event) => send({ id, event }),
        handOver: (to) => (taker = to),
      };
      send({ id, result: await dispatch(handlers, method, params, context) });
      if (taker === undefined) return;
      socket.off('data', onData);
      taker(socket);
    } catch (error) {
      send({ id, error: describeError(error) });
    }
  }
}

function dispatch(
  handlers: Handlers,
  method: string,
  params: unknown,
  context: RequestContext,
): Promise<unknown> {
  if (!isMethod(method)) throw new VsbError('E_DAEMON', `the daemon knows no method "${method}"`);
  const parsed = parameterSchemas[method].safeParse(params);
  if (!parsed.success) {
    throw new VsbError('E_DAEMON', `wrong parameters for ${method}: ${parsed.error.message}`);
  }
  // The schema of this very method has just produced them; the type system cannot follow the pairing.
  const handler = handlers[method] as (p: unknown, c: RequestContext) => Promise<unknown>;
  return handler(parsed.data, context);
}

function isMethod(method: string): method is Method {
  return Object.hasOwn(parameterSchemas, method);
}

function describeError(error: unknown): object {
  if (error instanceof VsbError) return error.toJSON();
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: 'E_INTERNAL', message: messageOf(error), details: { stack } };
}
