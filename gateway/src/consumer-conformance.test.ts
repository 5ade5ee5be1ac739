// The conformance cases of the consumer, over real sockets and on the log on disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin, Client, Consumer, Producer } from 'distributedlog';
import { systemClock } from 'distributedlog/core';
import { nodeTransport } from 'distributedlog/node';
import { consumerCases } from 'distributedlog/testing';
import { describe, it, onTestFinished } from 'vitest';
import type { EmbeddedLog } from './backends/embedded/embedded-log.ts';
import { openInDirectory } from './backends/embedded/open.ts';
import { type Gateway, startGateway } from './gateway.ts';

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

describe('the consumer, over sockets and on disk', () => {
  for (const { rules, name, autoCreateTopics, run } of consumerCases) {
    it(`${rules.join(' ')}: ${name}`, async () => {
      const dir = mkdtempSync(join(tmpdir(), 'dlog-conformance-'));
      onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
      const link = await openLink();
      const links = [link];
      let log: EmbeddedLog | undefined;
      let gateway: Gateway | undefined;
      const start = async (): Promise<void> => {
        log = await openInDirectory({ dir, autoCreateTopics }, { clock: systemClock, random: Math.random });
        const allowedHosts = [`127.0.0.1:${link.port}`];
        gateway = await startGateway({ log, port: link.target, allowedHosts, logger: silent });
        link.target = Number(new URL(gateway.httpUrl).port);
      };
      await start();
      try {
        await run({
          sdk: { Admin, Client, Consumer, Producer },
          config: { bootstrapServers: `ws://127.0.0.1:${link.port}` },
          link: async () => {
            const another = await openLink(link.target);
            links.push(another);
            const transport = nodeTransport({ headers: { Host: `127.0.0.1:${link.port}` } });
            return { transport, server: `ws://127.0.0.1:${another.port}`, cut: another.cut };
          },
          dropConnections() {
            for (const one of links) one.cut();
          },
          stop: async () => gateway?.close({ drainMs: 0 }),
          start,
          retain: async () => log?.maintain(),
        });
      } finally {
        await gateway?.close({ drainMs: 0 });
      }
    });
  }
});
