/**
 * A QMP server that a test scripts step by step: it says what it is told to and shows what it got.
 * Only for unit tests; the real stack is driven in test/e2e.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const greeting = JSON.stringify({
  QMP: {
    version: { qemu: { major: 7, minor: 2, micro: 22 }, package: 'Debian' },
    capabilities: ['oob'],
  },
});

export interface Command {
  readonly execute: string;
  readonly arguments: Record<string, unknown>;
  readonly id: number;
}

export class FakeQmp {
  readonly path: string;
  readonly #directory: string;
  readonly #server: Server;
  readonly #commands: Command[] = [];
  readonly #waiting: ((command: Command) => void)[] = [];
  #buffer = '';
  #socket: Promise<Socket>;

  static async start(): Promise<FakeQmp> {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-qmp-'));
    const fake = new FakeQmp(directory);
    fake.#server.listen(fake.path);
    await once(fake.#server, 'listening');
    return fake;
  }

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, 'qmp.sock');
    this.#server = createServer();
    this.#socket = new Promise((resolve) => {
      this.#server.on('connection', (socket) => {
        socket.on('data', (chunk: Buffer) => this.#take(chunk.toString()));
        socket.on('error', () => undefined);
        resolve(socket);
      });
    });
  }

  /** Sends exactly what is given, no line feed added. */
  async say(text: string | Buffer): Promise<void> {
    (await this.#socket).write(text);
  }

  /** Sends one message as a line. */
  async send(message: unknown): Promise<void> {
    await this.say(`${JSON.stringify(message)}\r\n`);
  }

  /** The next command received, waiting for it. */
  async command(): Promise<Command> {
    const command = this.#commands.shift();
    if (command !== undefined) return command;
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Greets and accepts the capabilities. */
  async handshake(): Promise<void> {
    await this.say(`${greeting}\r\n`);
    const { id } = await this.command();
    await this.send({ return: {}, id });
  }

  /** Drops the connection, as a killed QEMU does. */
  async disconnect(): Promise<void> {
    (await this.#socket).destroy();
  }

  async stop(): Promise<void> {
    void this.#socket.then((socket) => socket.destroy());
    this.#server.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #take(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf('\n'); end >= 0; end = this.#buffer.indexOf('\n')) {
      const command = JSON.parse(this.#buffer.slice(0, end)) as Command;
      this.#buffer = this.#buffer.slice(end + 1);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#commands.push(command);
      else waiting(command);
    }
  }
}
