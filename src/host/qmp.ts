/**
 * A QMP client. Every call has a deadline and takes an AbortSignal; when the connection ends, every
 * pending call is rejected at once with the reason. Answers may come in any order.
 */
import { EventEmitter } from 'node:events';
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';

import { abortable } from '../base/abortable.js';
import { VsbError, messageOf } from '../base/errors.js';
import { parseJson } from '../base/json.js';
import { LineSplitter } from '../base/line-splitter.js';
import {
  answerSchema,
  eventSchema,
  greetingSchema,
  type QemuVersion,
  type QmpEvent,
} from '../formats/qmp.js';

/** QEMU answers a schema query with about 200 KiB in one line; far above that it is not QMP. */
const maximumLineBytes = 16 * 1024 * 1024;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails with E_QMP. */
  readonly timeoutMs?: number | undefined;
}

interface PendingCall {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

interface Events {
  event: [QmpEvent];
  close: [VsbError];
}

/** What has been skipped; all zero on a healthy connection. */
export interface QmpAnomalies {
  /** Lines that are not JSON or not QMP. */
  garbageLines: number;
  /** Answers nobody waits for any more: their call timed out or was aborted. */
  lateAnswers: number;
}

/** QEMU refused a command. */
export class QmpCommandError extends VsbError {
  /** The class QEMU gives, `GenericError`, `CommandNotFound`... */
  readonly errorClass: string;
  readonly command: string;

  constructor(command: string, errorClass: string, description: string) {
    super('E_QMP_COMMAND', `QEMU refused ${command}: ${description}`, {
      layer: 'L0',
      details: { command, errorClass, description },
    });
    this.errorClass = errorClass;
    this.command = command;
  }
}

export class QmpClient extends EventEmitter<Events> {
  readonly version: QemuVersion;
  readonly anomalies: QmpAnomalies = { garbageLines: 0, lateAnswers: 0 };
  readonly #stream: Duplex;
  readonly #pending = new Map<number, PendingCall>();
  readonly #lines: LineSplitter;
  #nextId = 1;
  #closed: VsbError | undefined;

  /**
   * Connects to QEMU's QMP socket and negotiates.
   *
   * @throws VsbError E_QMP: nobody listens, no greeting in time, the other side is not QMP
   */
  static async connect(socketPath: string, options: CallOptions = {}): Promise<QmpClient> {
    return await QmpClient.attach(createConnection(socketPath), options);
  }

  /** The same over a stream that exists already, such as QEMU's standard input and output. */
  static async attach(stream: Duplex, options: CallOptions = {}): Promise<QmpClient> {
    const lines = new LineSplitter(maximumLineBytes);
    try {
      const { version, rest } = await readGreeting(stream, lines, options);
      const client = new QmpClient(stream, lines, version);
      for (const line of rest) client.#takeLine(line);
      await client.execute('qmp_capabilities', {}, options);
      return client;
    } catch (error) {
      // A pair of pipes that is cut short calls that an error, which nobody waits for any more.
      stream.on('error', () => undefined);
      stream.destroy();
      throw error;
    }
  }

  private constructor(stream: Duplex, lines: LineSplitter, version: QemuVersion) {
    super();
    this.version = version;
    this.#stream = stream;
    this.#lines = lines;
    stream.on('data', (chunk: Buffer) => this.#takeChunk(chunk));
    stream.on('error', (error) => this.#end(`the connection failed: ${messageOf(error)}`));
    stream.on('end', () => this.#end('QEMU closed the connection'));
    stream.on('close', () => this.#end('the connection is closed'));
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Runs one command and returns what QEMU returns for it, unchecked.
   *
   * @param timeoutMs default 10 s
   * @throws QmpCommandError when QEMU refuses; VsbError E_QMP on a missed deadline, E_QMP_CLOSED
   *   when the connection ends first; the signal's reason when it aborts
   */
  async execute(
    command: string,
    parameters: Record<string, unknown> = {},
    options: CallOptions = {},
  ): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    options.signal?.throwIfAborted();
    const id = this.#nextId++;
    const timeoutMs = options.timeoutMs ?? 10_000;
    return await abortable<unknown>(
      (resolve, reject) => {
        this.#pending.set(id, { command, resolve, reject });
        this.#stream.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
        return () => this.#pending.delete(id);
      },
      {
        ...{ signal: options.signal, timeoutMs },
        late: () => deadlineError(`an answer to ${command}`, timeoutMs),
      },
    );
  }

  /** Ends the connection; pending calls are rejected. */
  close(): void {
    this.#end('closed by vsbypass');
  }

  #takeChunk(chunk: Buffer): void {
    if (this.#closed !== undefined) return;
    try {
      for (const line of this.#lines.push(chunk)) this.#takeLine(line);
    } catch (error) {
      this.#end(messageOf(error));
    }
  }

  #takeLine(line: string): void {
    if (line.trim() === '') return;
    const message = parseJson(line);
    const answer = answerSchema.safeParse(message);
    if (answer.success) {
      this.#takeAnswer(answer.data);
      return;
    }
    const event = eventSchema.safeParse(message);
    if (!event.success) {
      this.anomalies.garbageLines++;
      return;
    }
    const { seconds, microseconds } = event.data.timestamp;
    this.emit('event', {
      name: event.data.event,
      data: event.data.data ?? {},
      timeMs: seconds * 1000 + microseconds / 1000,
    });
  }

  #takeAnswer(answer: ReturnType<typeof answerSchema.parse>): void {
    const call = typeof answer.id === 'number' ? this.#pending.get(answer.id) : undefined;
    if (call === undefined) {
      this.anomalies.lateAnswers++;
    } else if ('error' in answer) {
      call.reject(new QmpCommandError(call.command, answer.error.class, answer.error.desc));
    } else {
      call.resolve(answer.return);
    }
  }

  #end(reason: string): void {
    if (this.#closed !== undefined) return;
    const error = new VsbError('E_QMP_CLOSED', `QMP: ${reason}`, { layer: 'L0' });
    this.#closed = error;
    this.#stream.destroy();
    for (const call of [...this.#pending.values()]) call.reject(error);
    this.emit('close', error);
  }
}

function deadlineError(what: string, timeoutMs: number): VsbError {
  return new VsbError('E_QMP', `QMP: no ${what} within ${timeoutMs / 1000} s`, { layer: 'L0' });
}

/** Reads until the greeting is complete; lines behind it in the same chunk are handed back. */
async function readGreeting(
  stream: Duplex,
  lines: LineSplitter,
  options: CallOptions,
): Promise<{ version: QemuVersion; rest: string[] }> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  return await abortable(
    (resolve, reject) => {
      const onError = (cause: unknown): void => {
        const message = `QMP: cannot connect: ${messageOf(cause)}`;
        reject(new VsbError('E_QMP', message, { layer: 'L0', cause }));
      };
      const onEnd = (): void =>
        reject(new VsbError('E_QMP_CLOSED', 'QMP: QEMU closed before greeting', { layer: 'L0' }));
      const onData = (chunk: Buffer): void => {
        try {
          const [first, ...rest] = lines.push(chunk);
          if (first === undefined) return;
          const greeting = greetingSchema.safeParse(parseJson(first));
          if (!greeting.success) {
            throw new VsbError('E_QMP', `QMP: not a greeting: ${first.slice(0, 120)}`, {
              layer: 'L0',
            });
          }
          resolve({ version: greeting.data.QMP.version.qemu, rest });
        } catch (error) {
          reject(error);
        }
      };
      stream.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
      return () => {
        stream.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
        // A late error of a stream that is being given up must not end the process.
        stream.on('error', () => undefined);
      };
    },
    { signal: options.signal, timeoutMs, late: () => deadlineError('greeting', timeoutMs) },
  );
}
