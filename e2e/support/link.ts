// A wire between a page and a gateway that a test can break the way networks break: silently. Knows nothing of what it carries.
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Link {
  readonly port: number;
  /** The port on this machine that it leads to. */
  target = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async open(): Promise<Link> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const link = new Link(server, address.port);
    server.on('connection', (near) => {
      if (link.#isCut) near.destroy();
      else link.#join(near, connect(link.target, '127.0.0.1'));
    });
    return link;
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => this.#sockets.delete(from));
      from.pipe(to);
    }
  }

  /** From now on the connections there are carry nothing, and nobody is told. New ones work. */
  goSilent(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.removeAllListeners('error');
      socket.on('error', () => undefined);
      socket.pause();
    }
  }

  /** Ends every connection; there are no new ones until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }
  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
