// A running gateway: one port for WebSockets and HTTP, from the first connection to the drain. Knows nothing of frames.
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { systemClock } from 'distributedlog/core';
import { CLOSE_CODES, type CloseReason, LogError, PROTOCOL_NAME } from 'distributedlog/protocol';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { type AdmissionRules, type Caller, clientAddress, hostRefusal, isOriginAllowed } from './admission.ts';
import { Connections } from './connections.ts';
import { decompressors } from './decompressors.ts';
import { answerHttp, pathOf } from './http-routes.ts';
import { defaultLogger } from './logging.ts';
import { createMetrics, type GatewayMetrics } from './metrics.ts';
import { type GatewayOptions, type GatewaySettings, isLoopback, type Logger, parseGatewayOptions } from './options.ts';
import { ServedSocket } from './served-socket.ts';
import { shortReason } from './socket.ts';
import { type StaticFiles, staticFiles } from './static-files.ts';

export interface Gateway {
  /** Where clients dial: 'ws://127.0.0.1:9192'. */
  readonly url: string;
  readonly httpUrl: string;
  /**
   * Tells every client to go and when to come back, waits up to `drainMs` (default: the limit of that name) for them to
   * leave, closes the rest with 4503, then closes the log. Meanwhile /readyz says 503. Idempotent.
   */
  close(options?: { readonly drainMs?: number | undefined }): Promise<void>;
}

/** How long a WebSocket may take to end once its end was announced; then its socket is cut. */
const CLOSE_TIMEOUT_MS = 3_000;
/** The same for the last sockets of a gateway that shuts down. */
const LAST_CLOSE_TIMEOUT_MS = 1_000;
/** How long an HTTP request may take to come in, and its connection may stand still. */
const REQUEST_TIMEOUT_MS = 30_000;
/** TCP connections beyond maxConnections: for HTTP, and for those who are told that there are too many. */
const SPARE_CONNECTIONS = 256;
/** Clients of a gateway that drains are told to come back at about this rate, as far as the time allows. */
const RECONNECTS_PER_SECOND = 100;

/** Resolves when the port is open. INVALID_CONFIG: an option is wrong, the port is taken, the address is not of this machine. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const settings = parseGatewayOptions(options);
  const files = settings.staticDir === undefined ? undefined : await staticFiles(settings.staticDir);
  const gateway = new RunningGateway(settings, files);
  await gateway.listen();
  return gateway;
}

class RunningGateway implements Gateway {
  readonly #settings: GatewaySettings;
  readonly #logger: Logger;
  readonly #metrics: GatewayMetrics;
  readonly #rules: AdmissionRules;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #connections: Connections<ServedSocket>;
  readonly #sockets = new Set<Socket>();
  readonly #software = { name: 'dlog-gateway', version: packageVersion() };
  #address = '';
  #closing: Promise<void> | undefined;

  constructor(settings: GatewaySettings, files: StaticFiles | undefined) {
    this.#settings = settings;
    this.#logger = settings.logger ?? defaultLogger();
    this.#rules = { ...settings, encrypted: settings.tls !== undefined };
    this.#connections = new Connections(settings.limits);
    this.#server = createServer(settings);
    this.#server.maxConnections = settings.limits.maxConnections + SPARE_CONNECTIONS;
    // Untyped as yet, hence the wider type.
    const webSocketOptions: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: settings.limits.maxFrameBytes,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: () => PROTOCOL_NAME,
    };
    this.#webSockets = new WebSocketServer(webSocketOptions);
    this.#metrics = createMetrics(settings.log);
    const routes = {
      isDraining: () => this.#closing !== undefined,
      health: () => settings.log.health(),
      metrics: this.#metrics,
      files,
      hostRefusal: (request: IncomingMessage) => hostRefusal(this.#rules, callerOf(request)),
      path: settings.path,
      logger: this.#logger,
    };
    this.#server.on('request', (request, response) => void answerHttp(routes, request, response));
    this.#server.on('upgrade', (request, socket: Socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('drop', () => this.#metrics.connectionRefused('tcp_limit'));
  }

  get url(): string {
    const { tls, path } = this.#settings;
    return `${tls === undefined ? 'ws' : 'wss'}://${this.#address}${path === '/' ? '' : path}`;
  }
  get httpUrl(): string {
    return `${this.#settings.tls === undefined ? 'http' : 'https'}://${this.#address}`;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => {
        this.#metrics.stop();
        reject(listenError(error, host, port));
      };
      this.#server.once('error', onError);
      this.#server.listen(port, host, () => {
        this.#server.off('error', onError);
        // For instance no file descriptor left for one more connection.
        this.#server.on('error', (error) => this.#logger.error({ err: error }, 'the server socket reports an error'));
        resolve();
      });
    });
    const bound = this.#server.address();
    const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
    this.#address = `${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
    this.#logger.info({ url: this.url, logId: this.#settings.log.logId }, 'listening');
    if (!isLoopback(host)) this.#logger.warn({ host }, 'everyone who can reach this address may read and write');
  }

  close(options: { readonly drainMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= this.#drain(options.drainMs ?? this.#settings.limits.drainMs);
    return this.#closing;
  }

  async #drain(drainMs: number): Promise<void> {
    const clients = [...this.#connections];
    this.#logger.info({ connections: clients.length, drainMs }, 'draining');
    const windowMs = Math.min(drainMs, (clients.length / RECONNECTS_PER_SECOND) * 1000);
    for (const [i, client] of clients.entries()) {
      // Each has a share of the window to itself, so that no two come back at once.
      const reconnectAfterMs = Math.round(((i + Math.random()) / clients.length) * windowMs);
      client.goaway('the gateway is shutting down', reconnectAfterMs, drainMs);
    }
    await this.#connections.whenEmpty(drainMs);
    for (const client of this.#connections) client.close('DRAIN', 'the gateway is shutting down');
    await this.#connections.whenEmpty(LAST_CLOSE_TIMEOUT_MS);
    for (const client of this.#connections) client.cut();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    // Their last events come with the end of their sockets; after that nobody uses the log.
    await this.#connections.whenEmpty(LAST_CLOSE_TIMEOUT_MS);
    this.#metrics.stop();
    await this.#settings.log.close();
    this.#logger.info({}, 'closed');
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      const refusal = this.#upgradeRefusal(request);
      if (refusal === undefined) {
        this.#webSockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, request, socket));
      } else {
        this.#metrics.connectionRefused(refusal.reason);
        refuseUpgrade(socket, refusal.status, refusal.line);
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'a connection could not be served');
      socket.destroy();
    }
  }

  /** What a browser's page cannot see anyway: refused with an HTTP status and one line for whoever looks. */
  #upgradeRefusal(request: IncomingMessage): { status: number; reason: string; line: string } | undefined {
    const { path } = this.#settings;
    if (this.#closing !== undefined) return { status: 503, reason: 'draining', line: 'the gateway is shutting down' };
    if (pathOf(request.url ?? '/') !== path) {
      return { status: 404, reason: 'path', line: `the WebSocket is at ${path}` };
    }
    const host = hostRefusal(this.#rules, callerOf(request));
    if (host !== undefined) return { status: 421, reason: 'host', line: host };
    const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
    if (!offered?.includes(PROTOCOL_NAME)) {
      return { status: 400, reason: 'subprotocol', line: `the WebSocket subprotocol must be ${PROTOCOL_NAME}` };
    }
    return undefined;
  }

  #accept(ws: WebSocket, request: IncomingMessage, socket: Socket): void {
    const caller = callerOf(request);
    const address = clientAddress(this.#rules, caller);
    if (!isOriginAllowed(this.#rules, caller)) {
      const origin = String(caller.headers.origin).slice(0, 200);
      return this.#turnAway(ws, 'ORIGIN_FORBIDDEN', `Origin ${origin} is not allowed; see allowedOrigins`, address);
    }
    const full = this.#connections.refusal(address);
    if (full !== undefined) return this.#turnAway(ws, 'TOO_MANY_CONNECTIONS', full, address);
    const { log, limits } = this.#settings;
    const served = new ServedSocket({
      ws,
      socket,
      address,
      log,
      limits,
      clock: systemClock,
      random: Math.random,
      server: this.#software,
      logger: this.#logger,
      metrics: this.#metrics,
      decompressors,
      onGone: (gone) => this.#connections.delete(gone),
    });
    this.#connections.add(served, address);
  }

  /** A page sees the reason only after the upgrade; without one it would dial again for ever. */
  #turnAway(ws: WebSocket, reason: CloseReason, message: string, address: string): void {
    this.#metrics.connectionRefused(reason.toLowerCase());
    this.#logger.info({ address, code: CLOSE_CODES[reason].code }, message);
    ws.on('error', (error) => this.#logger.debug({ address, err: error }, 'a socket failed'));
    ws.close(CLOSE_CODES[reason].code, shortReason(message));
  }
}

function createServer({ limits, tls }: GatewaySettings): Server {
  const options = {
    headersTimeout: limits.helloTimeoutMs,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 5_000,
    // How often Node looks for requests that are late.
    connectionsCheckingInterval: Math.min(2_000, limits.helloTimeoutMs),
  };
  try {
    const server =
      tls === undefined
        ? createHttpServer(options)
        : createHttpsServer({ ...options, ...tls, handshakeTimeout: limits.helloTimeoutMs });
    // A connection that takes no more of a file; WebSockets turn it off for themselves.
    return server.setTimeout(REQUEST_TIMEOUT_MS);
  } catch (error) {
    throw new LogError('INVALID_CONFIG', `tls cannot be used: ${LogError.from(error).message}`, { cause: error });
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): LogError {
  const meanings: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} is in use on ${host}; stop what uses it, or choose another port`,
    EACCES: `port ${port} may not be opened by this user; choose one from 1024 up`,
    EADDRNOTAVAIL: `host ${host} is not an address of this machine`,
    ENOTFOUND: `host ${host} cannot be resolved`,
  };
  const message = meanings[error.code ?? ''] ?? `cannot listen on ${host}:${port}: ${error.message}`;
  return new LogError('INVALID_CONFIG', message, { cause: error });
}

/** The socket of an upgrade is out of the HTTP server's hands, its timeouts included. */
function refuseUpgrade(socket: Socket, status: number, line: string): void {
  socket.setTimeout(CLOSE_TIMEOUT_MS, () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  const body = `${line}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      'Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function callerOf(request: IncomingMessage): Caller {
  const { remoteAddress, localAddress, localPort } = request.socket;
  return { headers: request.headers, remoteAddress, localAddress, localPort };
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
