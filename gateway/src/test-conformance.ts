// How a conformance case of the consumer reaches a gateway over real sockets, whose connections can be cut and which can be started again. Knows nothing of logs.
import { connect, createServer, type Socket } from 'node:net';
import { Admin, Client, Consumer, Producer } from 'distributedlog';
import { nodeTransport } from 'distributedlog/node';
import type { Log } from 'distributedlog/server';
import type { ConsumerCase } from 'distributedlog/testing';
import { onTestFinished } from 'vitest';
import { type Gateway, startGateway } from './gateway.ts';

export interface CaseLog {
  /** The same log whenever the gateway starts, which closes it when it ends. */
  open(): Promise<Log>;
  /** Applies due retention now. */
  retain(): Promise<void>;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Stands for the network: connections that can be cut, at an address that stays. */
async function openLink(target = 0): Promise<{ readonly port: number; target: number; cut(): void }> {
  const sockets = new Set<Socket>();
  const link = {
    port: 0,
    target,
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
  const server = createServer((near) => {
    const far = connect(link.target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  link.port = address.port;
  onTestFinished(() => {
    server.close();
    link.cut();
  });
  return link;
}

export async function runOverSockets(one: ConsumerCase, { open, retain }: CaseLog): Promise<void> {
  const link = await openLink();
  const links = [link];
  let gateway: Gateway | undefined;
  const start = async (): Promise<void> => {
    const log = await open();
    const allowedHosts = [`127.0.0.1:${link.port}`];
    gateway = await startGateway({ log, port: link.target, allowedHosts, logger: silent });
    link.target = Number(new URL(gateway.httpUrl).port);
  };
  await start();
  try {
    await one.run({
      sdk: { Admin, Client, Consumer, Producer },
      config: { bootstrapServers: `ws://127.0.0.1:${link.port}` },
      link: async () => {
        const another = await openLink(link.target);
        links.push(another);
        const transport = nodeTransport({ headers: { Host: `127.0.0.1:${link.port}` } });
        return { transport, server: `ws://127.0.0.1:${another.port}`, cut: another.cut };
      },
      dropConnections() {
        for (const other of links) other.cut();
      },
      stop: async () => gateway?.close({ drainMs: 0 }),
      start,
      retain,
    });
  } finally {
    await gateway?.close({ drainMs: 0 });
  }
}
