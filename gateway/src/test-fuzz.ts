// What the fuzz tests send. Knows nothing of sockets.
import {
  type ClientFrame,
  encodeBatch,
  encodeClientFrame,
  encodeProduceFrame,
  PROTOCOL_NAME,
} from 'distributedlog/protocol';

/** Requests and frames that are wrong in every way we could think of, and some that are right; the same ones for the same seed. */
export class Fuzz {
  readonly #topicId: string;
  #state: number;

  constructor(seed: number, topicId: string) {
    this.#state = seed;
    this.#topicId = topicId;
  }

  /** mulberry32 */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  chance(probability: number): boolean {
    return this.random() < probability;
  }
  below(end: number): number {
    return Math.floor(this.random() * end);
  }
  pick<T>(from: readonly T[]): T {
    const chosen = from[this.below(from.length)];
    if (chosen === undefined) throw new Error('nothing to pick from');
    return chosen;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
  hello(): string {
    return encodeClientFrame({ type: 'hello', versions: [1], clientId: `fuzz-${this.below(100)}`, codecs: ['gzip'] });
  }

  /** HTTP, more or less: often a handshake, with odd values where there is a choice. */
  request(host: string): Buffer {
    const odd = () =>
      this.pick([
        '',
        'null',
        '*',
        '%',
        '[',
        '[::1',
        ']:80',
        'http://',
        'https://[',
        'a, b',
        ', ,',
        '\t',
        'é\xff',
        '../..',
        'x'.repeat(this.below(9_000)),
        '\x7f',
        'javascript:alert(1)',
        'file:///',
        `http://${host}`,
        'http://a:99999',
        '::ffff:1.2.3.4',
        '__proto__',
        Buffer.from(this.bytes(9)).toString('latin1'),
      ]);
    const or = (value: string) => (this.chance(0.75) ? value : odd());
    const path = this.pick([
      '/',
      '/',
      '/metrics',
      '/readyz',
      '/?a',
      `/${odd()}`,
      '//',
      '*',
      'http://x/y',
      `/${'%2e%2e/'.repeat(this.below(9))}`,
      odd(),
    ]);
    const lines = [`${or('GET')} ${path} HTTP/1.1`, `Host: ${or(host)}`, `Origin: ${or(`http://${host}`)}`];
    if (this.chance(0.7)) {
      lines.push(`Connection: ${or('Upgrade')}`, `Upgrade: ${or('websocket')}`, `Sec-WebSocket-Version: ${or('13')}`);
      lines.push(
        `Sec-WebSocket-Key: ${or('dGhlIHNhbXBsZSBub25jZQ==')}`,
        `Sec-WebSocket-Protocol: ${or(PROTOCOL_NAME)}`,
      );
    }
    for (const name of [
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'If-None-Match',
      'Sec-WebSocket-Extensions',
      'Content-Length',
      'Transfer-Encoding',
    ]) {
      if (this.chance(0.15)) lines.push(`${name}: ${odd()}`);
    }
    const text = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    const whole = Buffer.concat([text, this.bytes(this.below(100))]);
    return this.chance(0.9) ? whole : whole.subarray(0, this.below(whole.length));
  }

  frame(): string | Uint8Array {
    const kind = this.below(100);
    if (kind < 15) return this.bytes(this.below(400));
    if (kind < 20) return this.#text();
    if (kind < 40) return this.#mutatedText(encodeClientFrame(this.#valid()));
    if (kind < 62) return this.#mutatedValue();
    if (kind < 65) return this.#nested();
    if (kind < 68) return this.#prototypes();
    if (kind < 85) return this.#mutatedBytes(this.#produce());
    if (kind < 87) return this.#produce();
    if (this.chance(0.002)) return 'x'.repeat(64 * 1024 + this.below(3));
    if (this.chance(0.001)) return new Uint8Array(2 * 1024 * 1024 + this.below(3));
    return encodeClientFrame(this.#valid());
  }

  #text(): string {
    return Array.from({ length: this.below(200) }, () =>
      this.pick(['{', '}', '[', '"', ':', '\\u0000', '\u{1f600}', 'é', '\0', 'type', '1e999']),
    ).join('');
  }
  #mutatedText(text: string): string {
    let mutated = text;
    for (let n = this.below(4) + 1; n > 0; n--) {
      const at = this.below(mutated.length + 1);
      const to = Math.min(mutated.length, at + this.below(10));
      mutated = this.pick([
        mutated.slice(0, at),
        mutated.slice(0, at) + mutated.slice(to),
        mutated.slice(0, at) + String.fromCharCode(this.below(300)) + mutated.slice(at),
        mutated.slice(0, to) + mutated.slice(at),
      ]);
    }
    return mutated;
  }
  /** A valid frame in which one value, at any depth, is something else. */
  #mutatedValue(): string {
    const frame: unknown = JSON.parse(encodeClientFrame(this.#valid()));
    let at: unknown = frame;
    for (;;) {
      if (typeof at !== 'object' || at === null) break;
      const keys = Object.keys(at);
      const key = keys.length === 0 || this.chance(0.05) ? 'extra' : this.pick(keys);
      const value: unknown = Reflect.get(at, key);
      if (typeof value !== 'object' || value === null || this.chance(0.2)) {
        Reflect.set(at, key, '@');
        break;
      }
      at = value;
    }
    const odd = [
      '1e400',
      '-1',
      '-0',
      '0',
      '1.5',
      '9007199254740993',
      '-9223372036854775808',
      '4294967296',
      '2147483648',
      '1e-7',
      'null',
      'true',
      '[]',
      '{}',
      '""',
      '"toString"',
      '"__proto__"',
      '"\\ud800"',
      '[[]]',
      `"${'a'.repeat(300)}"`,
      '"00000000-0000-0000-0000-000000000000"',
      JSON.stringify(this.#topicId),
      `[${'0,'.repeat(300)}0]`,
      '{"valueOf":1}',
    ];
    return JSON.stringify(frame).replace('"@"', () => this.pick(odd));
  }
  #nested(): string {
    const depth = this.below(30_000);
    const [open, close] = this.pick([
      ['[', ']'],
      ['{"a":', '}'],
      ['{"type":"ping","id":[', ']}'],
    ] as const);
    const inner = open.repeat(Math.floor(depth / open.length));
    return inner + (this.chance(0.5) ? `1${close.repeat(inner.length / open.length)}` : '');
  }
  #prototypes(): string {
    const key = this.pick(['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'then']);
    const value = this.pick(['{"polluted":true}', '{"prototype":{"polluted":true}}', 'null', '"x"']);
    const rest = encodeClientFrame(this.#valid()).slice(1);
    return this.chance(0.3) ? `{"type":"${key}","id":1}` : `{"${key}":${value},${rest}`;
  }
  #produce(): Uint8Array {
    const headers = Array.from({ length: this.below(3) }, () => ({
      key: 'h',
      value: this.chance(0.3) ? null : this.bytes(3),
    }));
    const records = Array.from({ length: this.below(5) + 1 }, (_, i) => ({
      key: this.chance(0.5) ? null : this.bytes(5),
      value: this.chance(0.1) ? null : this.bytes(this.below(50)),
      headers,
      timestamp: i,
    }));
    return encodeProduceFrame(this.below(1000), this.#topicId, this.below(3), encodeBatch(records));
  }
  #mutatedBytes(frame: Uint8Array): Uint8Array {
    const mutated = frame.slice(0, this.chance(0.4) ? this.below(frame.length + 1) : frame.length);
    for (let n = this.below(4); n > 0 && mutated.length > 0; n--) {
      const at = this.below(mutated.length);
      mutated.set(
        this.pick([[0], [255], [127], [128], [this.below(256)], [255, 255, 255, 255].slice(0, mutated.length - at)]),
        at,
      );
    }
    return mutated;
  }

  /** As a client might say it, though perhaps at the wrong time or about what is not there. */
  #valid(): ClientFrame {
    const id = this.below(10);
    const consumer = this.below(40);
    const topicId = this.chance(0.9) ? this.#topicId : '00000000-0000-4000-8000-000000000000';
    const partition = this.below(3);
    const epoch = this.below(5);
    const limit = this.pick([0, 1, 1000, 2 ** 20, 2 ** 40]);
    const groupId = `group-${this.below(5)}`;
    const isolation = this.pick(['read_uncommitted', 'read_committed'] as const);
    const name = this.pick(['target', 'a', 'b', '', '.', '..', '__x', 'a b', 'x'.repeat(250)]);
    const offset = this.pick([0, 1, 5, 1000, Number.MAX_SAFE_INTEGER]);
    return this.pick<() => ClientFrame>([
      () => ({ type: 'hello', versions: [1] }),
      () => ({ type: 'ping', id }),
      () => ({ type: 'metadata', id, watch: this.chance(0.5) }),
      () => ({
        type: 'metadata',
        id,
        topics: ['target', name === '' ? 'c' : name.slice(0, 249)],
        autoCreate: this.chance(0.5),
      }),
      () => ({ type: 'createTopic', id, name, partitions: this.below(4) - 1 }),
      () => ({ type: 'deleteTopic', id, name: this.pick(['a', 'b', 'nowhere']) }),
      () => ({
        type: 'listOffsets',
        id,
        isolation,
        partitions: [{ topicId, partition, at: this.pick(['earliest', 'latest', 5] as const) }],
      }),
      () => ({
        type: 'fetch',
        consumer,
        isolation,
        minBytes: this.below(3),
        maxWaitMs: this.below(100),
        maxPartitionBytes: 1 + this.below(5000),
        limit,
        partitions: [{ topicId, partition, epoch, offset, limit }],
      }),
      () => ({ type: 'credit', consumer, limit, partitions: [{ topicId, partition, epoch, limit }] }),
      () => ({ type: 'fetchClose', consumer }),
      () => ({ type: 'fetchClose', consumer, partitions: [{ topicId, partition }] }),
      () => ({ type: 'initProducer', id }),
      () => ({
        type: 'join',
        id,
        consumer,
        groupId,
        topics: ['target'],
        sessionTimeoutMs: 1000,
        rebalanceTimeoutMs: 1000,
        maxPollIntervalMs: 1000,
      }),
      () => ({
        type: 'owned',
        consumer,
        memberEpoch: this.below(5),
        partitions: [{ topicId, partitions: [partition] }],
      }),
      () => ({ type: 'leave', id, consumer }),
      () => ({
        type: 'commit',
        id,
        groupId,
        offsets: [{ topicId, partition, offset, metadata: 'm'.repeat(this.below(5000)) }],
      }),
      () => ({ type: 'committed', id, groupId, partitions: [{ topicId, partition }] }),
      () => ({ type: 'listGroups', id }),
      () => ({ type: 'describeGroup', id, groupId }),
      () => ({ type: 'heartbeat', consumers: [{ consumer, busyMs: 5 }] }),
    ])();
  }
}
