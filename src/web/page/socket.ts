/**
 * The WebSocket to the page's server, made again whenever it is lost. Page and server make sure of each
 * other first; then it counts the output that is under way. What the messages mean is others' business.
 */
import type { PageMessage, ServerMessage } from '../messages.js';
import { prove, stillAdmitted } from './admission.js';
import { INPUT_WINDOW, proofText } from './limits.js';
import { ANSWER_MS, Vigil } from './vigil.js';

/** Pause before another attempt, milliseconds: the first, and the longest. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
/** Outputs of less than this are reported as shown together with others, bytes. */
const REPORT_BYTES = INPUT_WINDOW;
/** Output that may wait for the screen of a hidden tab, bytes; xterm.js takes up to 50 MB. */
const HIDDEN_AHEAD = 16 * 1024 * 1024;

export interface SocketListener {
  onMessage(message: ServerMessage): void;
  /** `shown` is to be called when it is on the screen. */
  onOutput(bytes: Uint8Array, shown: () => void): void;
  /** Tries again after so many milliseconds. */
  onLost(pause: number): void;
  onNotAdmitted(): void;
  /** Another server answers here. */
  onStranger(): void;
}

export class ConsoleSocket {
  readonly #key: string;
  readonly #listener: SocketListener;
  /** Undefined while there is none. */
  #socket: WebSocket | undefined;
  readonly #vigil = new Vigil(
    () => {
      if (this.#known) this.send({ type: 'ping' });
    },
    () => this.#onClose(this.#socket),
  );
  /** What the server has to say before anything else of it counts. */
  #welcome: string | undefined;
  #known = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause = FIRST_PAUSE;
  /** The console session that output belongs to now, as the server counts them. */
  #session = 0;
  /** Bytes of its output: that have come, that are on the screen, and that the server takes for shown. */
  #received = 0;
  #shown = 0;
  #reported = 0;

  constructor(key: string, listener: SocketListener) {
    this.#key = key;
    this.#listener = listener;
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#vigil.ask();
      this.#report();
    });
  }

  /** Connects now, whether it is time for that or not. */
  connect(): void {
    clearTimeout(this.#timer);
    // Browsers connect one at a time: an attempt that hangs would hold this one up.
    this.#socket?.close();
    this.#vigil.await();
    const socket = new WebSocket(`ws://${location.host}/console/socket`);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    this.#known = false;
    this.#welcome = undefined;
    socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.#socket) return;
      this.#vigil.heard();
      if (typeof data === 'string') this.#onText(socket, JSON.parse(data) as ServerMessage);
      else if (this.#known) this.#onBytes(new Uint8Array(data));
    });
    socket.addEventListener('close', ({ code }) => this.#onClose(socket, code));
  }

  send(message: PageMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  sendInput(piece: Uint8Array<ArrayBuffer>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(piece);
    // Nobody is to type for long into a connection that is dead.
    this.#vigil.ask();
  }

  #onText(socket: WebSocket, message: ServerMessage): void {
    if (message.type === 'challenge') return void this.#sayHello(socket, message.nonce);
    if (message.type === 'welcome') this.#known = message.proof === this.#welcome;
    if (!this.#known) return this.#leaveStranger(socket);
    this.#pause = FIRST_PAUSE;
    if (message.type === 'opened') {
      this.#session = message.session;
      this.#received = 0;
      this.#shown = 0;
      this.#reported = 0;
    }
    this.#listener.onMessage(message);
  }

  async #sayHello(socket: WebSocket, serverNonce: string): Promise<void> {
    const nonce = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(24))));
    const welcome = await prove(this.#key, proofText('server', serverNonce, nonce));
    const proof = await prove(this.#key, proofText('page', serverNonce, nonce));
    if (socket !== this.#socket || this.#welcome !== undefined) return;
    this.#welcome = welcome;
    this.send({ type: 'hello', nonce, proof });
  }

  /** Does not try again: whoever has the port now would only be asked once more. */
  #leaveStranger(socket: WebSocket): void {
    this.#socket = undefined;
    this.#vigil.end();
    socket.close();
    this.#listener.onStranger();
  }

  #onBytes(bytes: Uint8Array): void {
    const session = this.#session;
    this.#received += bytes.length;
    this.#listener.onOutput(bytes, () => {
      if (session !== this.#session) return;
      this.#shown += bytes.length;
      this.#report();
    });
    this.#report();
  }

  /** Lets the server go on: rarely while much is coming, at once when all is shown. */
  #report(): void {
    const { hidden } = document;
    // In a hidden tab timers hardly run, nor does xterm.js: output waits here then, the daemon's history is short.
    const ahead = hidden ? HIDDEN_AHEAD : 0;
    const shown = Math.min(this.#received, this.#shown + ahead);
    const bytes = shown - this.#reported;
    const soon = !hidden && shown === this.#received;
    if (bytes < (soon ? 1 : REPORT_BYTES)) return;
    this.send({ type: 'shown', session: this.#session, bytes });
    this.#reported = shown;
  }

  /** It is closed, or as good as that. */
  #onClose(socket: WebSocket | undefined, code?: number): void {
    if (socket === undefined || socket !== this.#socket) return;
    this.#socket = undefined;
    this.#vigil.end();
    socket.close();
    // 4403: see CloseCode of the server.
    if (code === 4403) {
      this.#listener.onNotAdmitted();
      return;
    }
    const pause = this.#pause;
    this.#pause = Math.min(LONGEST_PAUSE, pause * 2);
    this.#timer = setTimeout(() => this.connect(), pause);
    this.#listener.onLost(pause);
    void this.#giveUpUnlessAdmitted();
  }

  /** A browser does not tell a page why its WebSocket was refused. */
  async #giveUpUnlessAdmitted(): Promise<void> {
    const known = await stillAdmitted(ANSWER_MS).catch(() => true);
    if (known || this.#socket !== undefined) return;
    clearTimeout(this.#timer);
    this.#listener.onNotAdmitted();
  }
}
