/**
 * Serves the page of `vsbypass console --web` on loopback, and joins it to consoles. Every local user can
 * connect here: see docs/web-console.md for what they and foreign pages can and cannot do.
 */
import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

import { WebSocketServer, type WebSocket } from 'ws';

import { errnoOf, messageOf, VsbError } from '../base/errors.js';
import { Admission } from './admission.js';
import type { Asset } from './assets.js';
import { MAX_MESSAGE } from './page/limits.js';
import type { ConsoleProvider } from './provider.js';
import {
  acceptedHosts,
  cookieName,
  cookieValue,
  hostAccepted,
  originAccepted,
  securityHeaders,
} from './request-checks.js';
import { WebSession } from './session.js';

const HOST = '127.0.0.1';
/** Where cookies go to, and nowhere else. */
const COOKIE_PATH = '/console';
const SOCKET_PATH = `${COOKIE_PATH}/socket`;
const SESSION_PATH = `${COOKIE_PATH}/session`;
const MAX_CONNECTIONS = 128;
const MAX_SOCKETS = 32;
const MAX_BODY = 512;
/** Time for the header, and for all of a request, milliseconds. */
const REQUEST_MS = 10_000;
const LOOK_MS = 2000;
/** How long others may take our goodbye, milliseconds: pages at the end, and who is refused. */
const GOODBYE_MS = 500;

export interface WebServerOptions {
  readonly provider: ConsoleProvider;
  readonly assets: ReadonlyMap<string, Asset>;
  /** 0: any free one. */
  readonly port: number;
  /** How often a changed instance is looked for while a page is open, milliseconds; default 2000. */
  readonly lookMs?: number;
}

export class WebServer {
  readonly #options: WebServerOptions;
  readonly #admission = new Admission();
  readonly #http: Server;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
  });
  readonly #sessions = new Map<WebSocket, WebSession>();
  /** All connections: of an upgraded one the HTTP server knows nothing more. */
  readonly #sockets = new Set<Socket>();
  readonly #stopLooking = new AbortController();
  #looking = false;
  #port = 0;
  #hosts: readonly string[] = [];

  /** For {@link startWebServer}. */
  constructor(options: WebServerOptions) {
    this.#options = options;
    this.#http = createServer({
      maxHeaderSize: 8192,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: 5000,
    });
    this.#http.maxConnections = MAX_CONNECTIONS;
    this.#http.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#http.on('request', (request, response) => this.#onRequest(request, response));
    this.#http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    this.#http.on('clientError', (_error, socket) => socket.destroy());
  }

  get port(): number {
    return this.#port;
  }

  /**
   * The address of the page with a token that works once, a secret for the eyes of the user only.
   * @param vm the VM to show first
   */
  newLink(vm?: string): string {
    const first = vm === undefined ? '' : `/${vm}`;
    return `http://${HOST}:${this.#port}/#${this.#admission.newToken()}${first}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen({ host: HOST, port: this.#options.port }, () => {
        this.#http.off('error', reject);
        resolve();
      });
    });
    this.#http.on('error', () => {
      // A single accept() failed (no file descriptors left): the next one may do.
    });
    this.#port = (this.#http.address() as AddressInfo).port;
    this.#hosts = acceptedHosts(this.#port);
  }

  /** Ends all pages' consoles and stops listening. */
  async close(): Promise<void> {
    this.#stopLooking.abort();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const session of this.#sessions.values()) session.close();
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, GOODBYE_MS);
    this.#http.closeIdleConnections();
    await closed;
    clearTimeout(late);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    if (!hostAccepted(request.headers, this.#hosts)) return reply(response, 421);
    const asset = this.#options.assets.get(request.url ?? '');
    const method = request.method ?? '';
    if (asset !== undefined) {
      if (method !== 'GET' && method !== 'HEAD') return reply(response, 405);
      response.setHeader('Content-Type', asset.type);
      response.setHeader('Content-Length', asset.body.length);
      response.end(method === 'HEAD' ? undefined : asset.body);
    } else if (request.url === SESSION_PATH && method === 'GET') {
      reply(response, this.#admission.knows(this.#cookieOf(request)) ? 204 : 403);
    } else if (request.url === SESSION_PATH && method === 'POST') {
      if (!originAccepted(request.headers, this.#hosts)) return reply(response, 403);
      void readBody(request, MAX_BODY).then((token) => {
        if (token === undefined) reply(response, 413);
        else this.#redeem(token, response);
      });
    } else {
      reply(response, 404);
    }
  }

  #redeem(token: string, response: ServerResponse): void {
    const redeemed = this.#admission.redeem(token);
    if (redeemed.kind !== 'admitted') return reply(response, 403, { reason: redeemed.kind });
    const { cookie, key } = redeemed.secrets;
    response.setHeader(
      'Set-Cookie',
      `${cookieName(this.#port)}=${cookie}; Path=${COOKIE_PATH}; HttpOnly; SameSite=Strict`,
    );
    reply(response, 200, { key });
  }

  #cookieOf(request: IncomingMessage): string | undefined {
    return cookieValue(request.headers, cookieName(this.#port));
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {
      // Reset by the peer.
    });
    const refuse = (status: number): void => {
      const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, 'Connection: close', '', ''];
      socket.end(lines.join('\r\n'));
      // It may keep its half open, for ever.
      socket.resume();
      setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    };
    if (!originAccepted(request.headers, this.#hosts)) return refuse(403);
    if (request.url !== SOCKET_PATH) return refuse(404);
    const cookie = this.#cookieOf(request);
    if (!this.#admission.knows(cookie)) return refuse(403);
    if (this.#sessions.size >= MAX_SOCKETS) return refuse(503);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const prove = (text: string): string | undefined => this.#admission.prove(cookie, text);
      const session = new WebSession(webSocket, this.#options.provider, prove);
      this.#sessions.set(webSocket, session);
      webSocket.once('close', () => this.#sessions.delete(webSocket));
      void this.#look();
    });
  }

  /** While pages are open: tells them what has changed. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { signal } = this.#stopLooking;
    try {
      while (this.#sessions.size > 0) {
        await delay(this.#options.lookMs ?? LOOK_MS, undefined, { signal });
        if (![...this.#sessions.values()].some((session) => session.admitted)) continue;
        // An instance that is down for a while is no news: its consoles have said so.
        const found = await this.#options.provider.instance().catch(() => undefined);
        if (found === undefined) continue;
        for (const session of this.#sessions.values())
          session.update({ type: 'instance', ...found });
      }
    } catch {
      // The server is going down.
    } finally {
      this.#looking = false;
    }
  }
}

function reply(response: ServerResponse, status: number, document?: unknown): void {
  response.statusCode = status;
  if (document === undefined) {
    response.end();
    return;
  }
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(document));
}

/** A request's body; undefined if it is longer than `limit` bytes, or does not come to its end. */
async function readBody(request: IncomingMessage, limit: number): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > limit) return undefined;
      parts.push(part);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(parts).toString('utf8');
}

/**
 * Starts the server.
 * @throws VsbError E_PORT_TAKEN, or E_PERMISSION for a port below 1024
 */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const server = new WebServer(options);
  try {
    await server.listen();
  } catch (cause) {
    const code = errnoOf(cause) === 'EACCES' ? 'E_PERMISSION' : 'E_PORT_TAKEN';
    const message = `the console page cannot be served at ${HOST} port ${options.port}: ${messageOf(cause)}`;
    throw new VsbError(code, message, { layer: 'console', cause });
  }
  return server;
}
