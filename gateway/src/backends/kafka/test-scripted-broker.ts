// Brokers that answer as a test tells them to, for what a real broker does only when it is hurt: refusals, silence, lost connections. Speaks a small part of Kafka's protocol; knows nothing of logs.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Reader, Writer } from '@platformatic/kafka';
import { onTestFinished } from 'vitest';
import { readLength, skipTaggedFields } from './wire.ts';

export const API = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  apiVersions: 18,
  initProducerId: 22,
} as const;
type Ranges = Readonly<Record<number, readonly [min: number, max: number]>>;
/** What brokers of this test speak where it does not say otherwise: enough for a cluster to be taken for one. */
export const RANGES: Ranges = {
  0: [0, 11],
  1: [4, 17],
  2: [1, 9],
  3: [0, 12],
  8: [0, 9],
  9: [0, 9],
  10: [0, 6],
  18: [0, 4],
  22: [0, 5],
};

/** What becomes of a request: an answer, none at all, or an end of the connection. */
export type Outcome<Answer> = Answer | 'silence' | 'cut';
export interface Produced {
  /** Node id of the broker that got it. */
  readonly broker: number;
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
}
export interface ProduceOutcome {
  readonly errorCode?: number;
  readonly baseOffset?: number;
  readonly message?: string;
}
export interface Listed {
  readonly broker: number;
  readonly isolation: number;
  readonly topic: string;
  readonly partition: number;
  readonly timestamp: bigint;
}
export interface ListOutcome {
  readonly errorCode?: number;
  readonly offset?: number;
  readonly timestamp?: number;
}
export interface FetchAsked {
  readonly broker: number;
  readonly partition: number;
  readonly offset: bigint;
}
export interface FetchOutcome {
  readonly errorCode?: number;
  readonly end?: number;
}
export interface ScriptedTopic {
  readonly name: string;
  readonly topicId: string;
  /** Node id of each partition's leader; −1: none. */
  leaders: number[];
}

interface Broker {
  readonly nodeId: number;
  readonly server: Server;
  readonly sockets: Set<Socket>;
  port: number;
}

export class ScriptedCluster {
  readonly topics: ScriptedTopic[];
  ranges: Ranges = RANGES;
  throttleMs = 0;
  onProduce: (produced: Produced) => Outcome<ProduceOutcome> | Promise<Outcome<ProduceOutcome>> = () => ({});
  onListOffsets: (listed: Listed) => Outcome<ListOutcome> = () => ({ offset: 0 });
  /** Without records. */
  onFetch: (asked: FetchAsked) => Outcome<FetchOutcome> = () => ({});
  /** Node id of every group's coordinator. */
  coordinator = 0;
  onHeartbeat: (broker: number) => Outcome<{ readonly errorCode?: number }> = () => ({});
  /** Default: the first broker that is up. */
  controllerId: number | undefined;
  /** Metadata is answered as by a broker that knows of no broker, itself included. */
  namesNobody = false;
  /** Metadata is not answered. */
  deaf = false;
  /** Node ids of brokers that know of no topic yet. */
  readonly behind = new Set<number>();
  /** Every request that came, by API key. */
  readonly requests: { readonly broker: number; readonly api: number; readonly at: number }[] = [];
  /** Partitions of each Produce request, in the order of the requests. */
  readonly produceRequests: Produced[][] = [];
  connects = 0;
  readonly #brokers: Broker[] = [];

  constructor(topics: readonly ScriptedTopic[]) {
    this.topics = [...topics];
  }

  get addresses(): string[] {
    return this.#brokers.map(({ port }) => `127.0.0.1:${port}`);
  }
  count(api: number): number {
    return this.requests.filter((request) => request.api === api).length;
  }

  async start(count: number): Promise<void> {
    for (let nodeId = 0; nodeId < count; nodeId++) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => this.#serve(broker, socket));
      const broker: Broker = { nodeId, server, sockets, port: 0 };
      this.#brokers.push(broker);
      await this.up(nodeId);
    }
  }
  /** At the same port as before. */
  async up(nodeId: number): Promise<void> {
    const broker = this.#of(nodeId);
    broker.server.listen(broker.port, '127.0.0.1');
    await once(broker.server, 'listening');
    broker.port = (broker.server.address() as AddressInfo).port;
  }
  /** Refuses connections, and ends those it has. */
  async down(nodeId: number): Promise<void> {
    const { server, sockets } = this.#of(nodeId);
    const closed = server.listening ? once(server, 'close') : undefined;
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  #of(nodeId: number): Broker {
    const broker = this.#brokers[nodeId];
    if (broker === undefined) throw new Error(`there is no broker ${nodeId}`);
    return broker;
  }

  #serve(broker: Broker, socket: Socket): void {
    this.connects++;
    broker.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => broker.sockets.delete(socket));
    let received = Buffer.alloc(0);
    // One after the other, as brokers do.
    let last = Promise.resolve();
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const size = received.readInt32BE(0);
        const request = Buffer.from(received.subarray(4, 4 + size));
        received = received.subarray(4 + size);
        last = last.then(() => this.#answer(broker, socket, request));
      }
    });
  }

  async #answer(broker: Broker, socket: Socket, request: Buffer): Promise<void> {
    const reader = Reader.from(request);
    const [api, version, correlationId] = [reader.readInt16(), reader.readInt16(), reader.readInt32()];
    reader.readNullableString(false);
    skipTaggedFields(reader);
    this.requests.push({ broker: broker.nodeId, api, at: Date.now() });
    const body = await this.#body(broker.nodeId, api, version, reader);
    if (body === 'cut') socket.destroy();
    if (body === 'cut' || body === 'silence' || socket.destroyed) return;
    const head = Writer.create().appendInt32(correlationId);
    if (api !== API.apiVersions) head.appendTaggedFields();
    socket.write(head.appendFrom(body).prependLength().buffer);
  }

  async #body(nodeId: number, api: number, version: number, reader: Reader): Promise<Outcome<Writer>> {
    if (api === API.apiVersions) return this.#versions(version);
    if (api === API.metadata) return this.deaf ? 'silence' : this.#metadata(nodeId);
    if (api === API.produce) return this.#produce(nodeId, reader);
    if (api === API.listOffsets) return this.#listOffsets(nodeId, reader);
    if (api === API.fetch) return this.#fetch(nodeId, reader);
    if (api === API.findCoordinator) return this.#findCoordinator();
    if (api === API.joinGroup) return 'silence';
    if (api === API.heartbeat) return this.#heartbeat(nodeId);
    return 'cut';
  }

  #findCoordinator(): Writer {
    const { nodeId, port } = this.#of(this.coordinator);
    return Writer.create()
      .appendInt32(0)
      .appendArray(['any'], (w, key) => {
        w.appendString(key).appendInt32(nodeId).appendString('127.0.0.1').appendInt32(port);
        w.appendInt16(0).appendString(null);
      })
      .appendTaggedFields();
  }

  #heartbeat(nodeId: number): Outcome<Writer> {
    const outcome = this.onHeartbeat(nodeId);
    if (outcome === 'cut' || outcome === 'silence') return outcome;
    return Writer.create()
      .appendInt32(this.throttleMs)
      .appendInt16(outcome.errorCode ?? 0)
      .appendTaggedFields();
  }

  #versions(version: number): Writer {
    const [, max] = this.ranges[API.apiVersions] ?? [0, 0];
    // In the oldest format, since that is the one that whoever asked is sure to know.
    if (version > max) return Writer.create().appendInt16(35).appendInt32(0);
    return Writer.create()
      .appendInt16(0)
      .appendArray(Object.entries(this.ranges), (w, [key, [from, to]]) => {
        w.appendInt16(Number(key)).appendInt16(from).appendInt16(to);
      })
      .appendInt32(0)
      .appendTaggedFields();
  }

  #metadata(nodeId: number): Writer {
    const up = this.namesNobody ? [] : this.#brokers.filter(({ server }) => server.listening);
    const writer = Writer.create().appendInt32(0);
    writer.appendArray(up, (w, { nodeId: id, port }) => {
      w.appendInt32(id).appendString('127.0.0.1').appendInt32(port).appendString(null);
    });
    writer.appendString('scripted-cluster').appendInt32(this.controllerId ?? up[0]?.nodeId ?? -1);
    writer.appendArray(
      this.namesNobody || this.behind.has(nodeId) ? [] : this.topics,
      (w, { name, topicId, leaders }) => {
        w.appendInt16(0).appendString(name).appendUUID(topicId).appendBoolean(false);
        w.appendArray([...leaders.entries()], (of, [partition, leader]) => {
          of.appendInt16(0).appendInt32(partition).appendInt32(leader).appendInt32(0);
          for (let list = 0; list < 3; list++) of.appendArray([leader], (ids, id) => ids.appendInt32(id), true, false);
        });
        w.appendInt32(0);
      },
    );
    return writer.appendTaggedFields();
  }

  async #produce(broker: number, reader: Reader): Promise<Outcome<Writer>> {
    reader.readNullableString();
    reader.skip(2 + 4);
    const produced: Produced[] = [];
    for (let topics = readLength(reader); topics > 0; topics--) {
      const topic = reader.readString();
      for (let count = readLength(reader); count > 0; count--) {
        produced.push({ broker, topic, partition: reader.readInt32(), batch: reader.readBytes() });
        skipTaggedFields(reader);
      }
      skipTaggedFields(reader);
    }
    this.produceRequests.push(produced);
    const outcomes: { of: Produced; outcome: ProduceOutcome }[] = [];
    for (const of of produced) {
      const outcome = await this.onProduce(of);
      if (outcome === 'cut' || outcome === 'silence') return outcome;
      outcomes.push({ of, outcome });
    }
    return Writer.create()
      .appendArray(outcomes, (w, { of: { topic, partition }, outcome }) => {
        w.appendString(topic).appendArray([outcome], (one, { errorCode = 0, baseOffset, message }) => {
          const offset = baseOffset ?? (errorCode === 0 ? 0 : -1);
          one.appendInt32(partition).appendInt16(errorCode).appendInt64(BigInt(offset)).appendInt64(-1n);
          one
            .appendInt64(0n)
            .appendArray([], () => {})
            .appendString(message ?? null);
        });
      })
      .appendInt32(this.throttleMs)
      .appendTaggedFields();
  }

  #fetch(broker: number, reader: Reader): Outcome<Writer> {
    reader.skip(4 + 4 + 4 + 1 + 4 + 4);
    const answers: { topicId: string; partition: number; outcome: FetchOutcome }[] = [];
    for (let topics = readLength(reader); topics > 0; topics--) {
      const topicId = reader.readUUID();
      for (let count = readLength(reader); count > 0; count--) {
        const partition = reader.readInt32();
        reader.skip(4);
        const outcome = this.onFetch({ broker, partition, offset: reader.readInt64() });
        reader.skip(4 + 8 + 4);
        skipTaggedFields(reader);
        if (outcome === 'cut' || outcome === 'silence') return outcome;
        answers.push({ topicId, partition, outcome });
      }
      skipTaggedFields(reader);
    }
    return Writer.create()
      .appendInt32(this.throttleMs)
      .appendInt16(0)
      .appendInt32(0)
      .appendArray(answers, (w, { topicId, partition, outcome: { errorCode = 0, end = 0 } }) => {
        w.appendUUID(topicId).appendArray([end], (one) => {
          one.appendInt32(partition).appendInt16(errorCode).appendInt64(BigInt(end)).appendInt64(BigInt(end));
          one
            .appendInt64(0n)
            .appendArray([], () => {})
            .appendInt32(-1)
            .appendUnsignedVarInt(0);
        });
      })
      .appendTaggedFields();
  }

  #listOffsets(broker: number, reader: Reader): Outcome<Writer> {
    reader.skip(4);
    const isolation = reader.readInt8();
    const answers: { listed: Listed; outcome: ListOutcome }[] = [];
    for (let topics = readLength(reader); topics > 0; topics--) {
      const topic = reader.readString();
      for (let count = readLength(reader); count > 0; count--) {
        const partition = reader.readInt32();
        reader.skip(4);
        const listed = { broker, isolation, topic, partition, timestamp: reader.readInt64() };
        skipTaggedFields(reader);
        const outcome = this.onListOffsets(listed);
        if (outcome === 'cut' || outcome === 'silence') return outcome;
        answers.push({ listed, outcome });
      }
      skipTaggedFields(reader);
    }
    return Writer.create()
      .appendInt32(this.throttleMs)
      .appendArray(answers, (w, { listed, outcome: { errorCode = 0, offset = -1, timestamp = -1 } }) => {
        w.appendString(listed.topic).appendArray([0], (one) => {
          one.appendInt32(listed.partition).appendInt16(errorCode).appendInt64(BigInt(timestamp));
          one.appendInt64(BigInt(offset)).appendInt32(0);
        });
      })
      .appendTaggedFields();
  }
}

/** As many brokers as asked for; they go when the test ends. */
export async function scriptedCluster(topics: readonly ScriptedTopic[], brokers = 1): Promise<ScriptedCluster> {
  const cluster = new ScriptedCluster(topics);
  await cluster.start(brokers);
  onTestFinished(async () => {
    for (let nodeId = 0; nodeId < brokers; nodeId++) await cluster.down(nodeId);
  });
  return cluster;
}
