/**
 * How user VMs get their interrupt: by L1 alone, or from the interrupt server in L2 (images/programs/irq-server). The server is brought
 * there over management SSH and lives as long as that connection. While it does not run, L1 does without, so consoles go on.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { abortable } from '../base/abortable.js';
import { messageOf, VsbError } from '../base/errors.js';
import { needsServer, type ServerlessMode, type ServerMode } from '../config/interrupts.js';
import type { IrqMode } from '../config/schema.js';
import type { LayerHealth } from '../contract/health.js';
import type { RemoteCommand } from '../host/ssh.js';

/** Pause before a server that ended is started again: doubles until the second figure. */
const restartFirstMs = 1000;
const restartLastMs = 30_000;
/** Unsent bytes at which the server is told nothing more: it does not read. L1 repeats what stays unanswered. */
const unsentLimitBytes = 64 * 1024;
/** Of its complaints, the last characters are kept. */
const complaintCharacters = 500;

/** What it acts on. */
export interface InterruptPathOptions {
  /** The path at first, and after a server's end. */
  readonly serverless: ServerlessMode;
  /** Has L1 use that path from now on. */
  setMode(mode: IrqMode): Promise<void>;
  /** Brings the program into L2. */
  bring(signal: AbortSignal): Promise<void>;
  /** Runs the program in L2. */
  open(mode: ServerMode, signal: AbortSignal): Promise<RemoteCommand>;
  log(text: string): void;
  /** Until the server has been brought there, and again until it has said that it is ready, milliseconds. */
  readonly limitMs: number;
  /** Pause before a restart, milliseconds; tests have a shorter one. */
  restartMs?: number;
}

export class InterruptPath {
  readonly #options: InterruptPathOptions;
  #serverless: ServerlessMode;
  #wanted: IrqMode;
  #active: IrqMode;
  #server: RemoteCommand | undefined;
  #complaint = '';
  #restarts = 0;
  #switching = false;
  /** Of the server that runs, or is being started again. */
  #life: AbortController | undefined;

  constructor(options: InterruptPathOptions) {
    this.#options = options;
    this.#serverless = this.#wanted = this.#active = options.serverless;
  }

  /** What was asked for. */
  get wanted(): IrqMode {
    return this.#wanted;
  }

  /** What L1 does now. */
  get active(): IrqMode {
    return this.#active;
  }

  /** How often the server had to be started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Ends the server of the mode before, starts that of the new one, has L1 follow.
   *
   * @param limitMs instead of the usual one, where what calls has a limit of its own
   * @throws VsbError E_IRQ_SERVER, E_SSH, E_LINK_*: L1 does without then; E_BUSY
   */
  async switchTo(mode: IrqMode, signal: AbortSignal, limitMs?: number): Promise<void> {
    if (this.#switching) throw new VsbError('E_BUSY', 'the interrupt path is being switched');
    if (mode === this.#wanted && mode === this.#active) return;
    this.#switching = true;
    try {
      await this.#switch(mode, signal, limitMs);
    } finally {
      this.#switching = false;
    }
  }

  async #switch(mode: IrqMode, signal: AbortSignal, limitMs?: number): Promise<void> {
    this.close();
    if (!needsServer(mode)) this.#serverless = mode;
    this.#wanted = this.#serverless;
    await this.#use(this.#serverless);
    if (!needsServer(mode)) return;
    const life = new AbortController();
    this.#life = life;
    await this.#start(mode, life, signal, limitMs);
    this.#wanted = mode;
    this.#restarts = 0;
  }

  /** L1 wants that line at that level, and has L0 tell the server. */
  tell(uuid: string, high: boolean): void {
    const channel = this.#active === 'net' ? this.#server?.channel : undefined;
    if (channel === undefined || channel.writableLength > unsentLimitBytes) return;
    channel.write(`${uuid} ${high ? 1 : 0}\n`);
  }

  /** L1 may have forgotten: after the link was made again. */
  async renew(): Promise<void> {
    await this.#options.setMode(this.#active);
  }

  health(): LayerHealth[] {
    if (!needsServer(this.#wanted)) return [];
    const layer = 'irq-server';
    if (this.#active === this.#wanted && this.#server !== undefined) {
      return [{ layer, state: 'ok', detail: `serves ${this.#wanted}` }];
    }
    const why = this.#complaint === '' ? '' : ` (${this.#complaint})`;
    return [{ layer, state: 'failing', detail: `it has ended${why}: L1 does without` }];
  }

  /** Ends the server. L1 stays as it is. */
  close(): void {
    this.#life?.abort(new VsbError('E_TERMINATED', 'the interrupt server is not wanted any more'));
    this.#life = undefined;
    this.#server?.destroy();
    this.#server = undefined;
  }

  async #use(mode: IrqMode): Promise<void> {
    await this.#options.setMode(mode);
    this.#active = mode;
  }

  async #start(
    mode: ServerMode,
    life: AbortController,
    signal: AbortSignal,
    limitMs = this.#options.limitMs,
  ): Promise<void> {
    const within = (): AbortSignal =>
      AbortSignal.any([life.signal, signal, AbortSignal.timeout(limitMs)]);
    await this.#options.bring(within());
    const until = within();
    // An ultracall is refused while L1 does not expect it. What is due meanwhile waits for the server.
    await this.#use(mode);
    let server: RemoteCommand | undefined;
    try {
      server = await this.#options.open(mode, life.signal);
      this.#watch(server);
      await ready(server, until);
    } catch (error) {
      server?.destroy();
      await this.#use(this.#serverless);
      signal.throwIfAborted();
      const why = this.#complaint === '' ? messageOf(error) : this.#complaint;
      throw error instanceof VsbError
        ? error
        : new VsbError('E_IRQ_SERVER', `the interrupt server does not start: ${why}`, {
            layer: 'L2',
            cause: error,
          });
    }
    this.#server = server;
    void server.closed.then(async () => await this.#onEnd(mode, life));
  }

  #watch({ channel }: RemoteCommand): void {
    this.#complaint = '';
    channel.stderr.on('data', (chunk: Buffer) => {
      const text = (this.#complaint + chunk.toString('latin1')).slice(-complaintCharacters);
      // It goes into logs and onto terminals, and L2 can say what it likes.
      this.#complaint = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
    });
  }

  async #onEnd(mode: ServerMode, life: AbortController): Promise<void> {
    if (life.signal.aborted) return;
    this.#server = undefined;
    this.#options.log(`interrupt server: ended ${this.#complaint}`);
    let pauseMs = this.#options.restartMs ?? restartFirstMs;
    try {
      await this.#use(this.#serverless);
    } catch (error) {
      // The link is down: renew() tells L1 when it is made again.
      this.#active = this.#serverless;
      this.#options.log(`interrupt server: ${messageOf(error)}`);
    }
    for (;;) {
      await delay(pauseMs, undefined, { signal: life.signal, ref: false }).catch(() => undefined);
      if (life.signal.aborted) return;
      this.#restarts++;
      try {
        await this.#start(mode, life, life.signal);
        return;
      } catch (error) {
        if (life.signal.aborted) return;
        this.#options.log(`interrupt server: ${messageOf(error)}`);
        pauseMs = Math.min(pauseMs * 2, restartLastMs);
      }
    }
  }
}

/** Resolves when the server says so, rejects when it ends before. */
async function ready({ channel, closed }: RemoteCommand, signal: AbortSignal): Promise<void> {
  await abortable(
    (resolve, reject) => {
      let said = '';
      channel.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString('latin1')).slice(0, 16);
        if (said.startsWith('ready\n')) resolve();
      });
      void closed.then((code) => reject(new Error(`it ended with code ${code ?? 'unknown'}`)));
      return undefined;
    },
    { signal },
  );
}
