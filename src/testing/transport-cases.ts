// What every transport must do, as data that any test runner can go through, in any runtime. Knows nothing of how a transport works.
import type { Connection, Transport } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';
import { PEER_GREETING } from './transport-peer.ts';

export interface TransportCase {
  /** A sentence of behaviour. */
  readonly name: string;
  /** Rejects with what was wrong. */
  run(context: TransportCaseContext): Promise<void>;
}
export interface TransportCaseContext {
  readonly transport: Transport;
  readonly server: {
    /** Where a {@link transportPeer} listens. */
    readonly url: string;
    /** Where nobody listens. */
    readonly deadUrl: string;
  };
}

type Close = { readonly code: number; readonly reason: string };
type Event = { readonly open: true } | { readonly frame: string | Uint8Array } | { readonly close: Close };

const PROTOCOL = 'dlog.v1';

/** A connection whose events are kept in order until they are asked for. */
class Wire {
  readonly connection: Connection;
  readonly #events: Event[] = [];
  #wake: (() => void) | undefined;
  closes = 0;
  opens = 0;

  constructor(transport: Transport, url: string) {
    const add = (event: Event): void => {
      this.#events.push(event);
      this.#wake?.();
    };
    this.connection = transport.dial(url, PROTOCOL, {
      onOpen: () => {
        this.opens++;
        add({ open: true });
      },
      onFrame: (frame) => add({ frame }),
      onClose: (close) => {
        this.closes++;
        add({ close });
      },
    });
  }

  async next(): Promise<Event> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
  async frame(): Promise<string | Uint8Array> {
    const event = await this.next();
    if ('frame' in event) return event.frame;
    throw new Error(`expected a frame, got ${describe(event)}`);
  }
  async close(): Promise<Close> {
    const event = await this.next();
    if ('close' in event) return event.close;
    throw new Error(`expected a close, got ${describe(event)}`);
  }
  async ask(command: string): Promise<string | Uint8Array> {
    this.connection.send(command);
    return this.frame();
  }
}

/** A connection that is open and past the peer's greeting. */
async function connect({ transport, server }: TransportCaseContext): Promise<Wire> {
  const wire = new Wire(transport, server.url);
  const first = await wire.next();
  check('open' in first, `expected the open first, got ${describe(first)}`);
  equal(await wire.frame(), PEER_GREETING);
  return wire;
}

/** Resolves when whatever was under way elsewhere has had every chance to arrive: a round trip over another connection. */
async function roundTrip(context: TransportCaseContext): Promise<void> {
  const wire = await connect(context);
  equal(await wire.ask('barrier'), 'barrier');
  wire.connection.close(1000, '');
  await wire.close();
}

export const transportCases: readonly TransportCase[] = [
  {
    name: 'opens before the first frame, also when the peer speaks at once',
    async run(context) {
      const wire = await connect(context);
      equal(wire.opens, 1);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'agrees on the subprotocol it asked for',
    async run(context) {
      const wire = await connect(context);
      equal(await wire.ask('/protocol'), PROTOCOL);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'keeps the order of text and binary frames, and which is which',
    async run(context) {
      const wire = await connect(context);
      const sent: (string | Uint8Array)[] = [];
      for (let n = 0; n < 300; n++) sent.push(n % 3 === 0 ? `text ${n}` : new Uint8Array((n * 37) % 999).fill(n % 256));
      for (const frame of sent) wire.connection.send(frame);
      for (const frame of sent) equal(await wire.frame(), frame);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'carries empty frames of both kinds',
    async run(context) {
      const wire = await connect(context);
      equal(await wire.ask(''), '');
      wire.connection.send(new Uint8Array(0));
      equal(await wire.frame(), new Uint8Array(0));
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'carries every character of Unicode',
    async run(context) {
      const wire = await connect(context);
      const texts = ['é ß ñ', 'зарегистрировать', '日本語', '👩‍🚀 𐍈', '\u0000\u001f "\\', '\u2028\u2029'];
      // Longer than a chunk of a socket, so that characters are cut somewhere.
      texts.push('aé日👩'.repeat(40_000));
      for (const text of texts) equal(await wire.ask(text), text);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'sends only the bytes of a view, not the buffer it belongs to',
    async run(context) {
      const wire = await connect(context);
      const buffer = new Uint8Array(1000).map((_, i) => i % 251);
      wire.connection.send(buffer.subarray(100, 200));
      equal(await wire.frame(), buffer.slice(100, 200));
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'leaves a buffer it has sent as it was',
    async run(context) {
      const wire = await connect(context);
      const buffer = new Uint8Array(100_000).map((_, i) => i % 251);
      const before = buffer.slice();
      wire.connection.send(buffer);
      equal(await wire.frame(), before);
      equal(buffer, before);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'receives a frame of 16 MiB, as large as a batch may be',
    async run(context) {
      const wire = await connect(context);
      const frame = await wire.ask(`/burst 1 ${16 * 1024 * 1024}`);
      equal(frame.length, 16 * 1024 * 1024);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'hands out frames that may be kept: later ones do not overwrite them',
    async run(context) {
      const wire = await connect(context);
      const count = 200;
      wire.connection.send(`/burst ${count} 10007`);
      const kept: (string | Uint8Array)[] = [];
      while (kept.length < count) kept.push(await wire.frame());
      for (const [n, frame] of kept.entries()) equal(frame, new Uint8Array(10_007).fill(n % 256));
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'counts what it has not written yet, and comes back to nothing',
    async run(context) {
      const wire = await connect(context);
      wire.connection.send('/swallow');
      const frame = new Uint8Array(1024 * 1024);
      for (let n = 0; n < 16; n++) wire.connection.send(frame);
      check(wire.connection.bufferedBytes > 0, 'bufferedBytes stayed 0 while 16 MiB were sent at once');
      equal(await wire.ask('/count'), String(16 * 1024 * 1024));
      equal(wire.connection.bufferedBytes, 0);
      wire.connection.close(1000, '');
      await wire.close();
    },
  },
  {
    name: 'closes with the code and reason it was given, and says so once',
    async run(context) {
      for (const [code, reason] of [
        [1000, ''],
        [3000, 'own'],
        [4001, 'bye, é'],
        [4999, 'r'.repeat(123)],
      ] as const) {
        const wire = await connect(context);
        wire.connection.close(code, reason);
        wire.connection.close(code, reason);
        equal(await wire.close(), { code, reason });
        await roundTrip(context);
        equal(wire.closes, 1);
      }
    },
  },
  {
    name: 'delivers what it was given before the close',
    async run(context) {
      const watched = await connect(context);
      watched.connection.send('/burst 50 1000');
      watched.connection.send('/close 4002 after the burst');
      for (let n = 0; n < 50; n++) equal(await watched.frame(), new Uint8Array(1000).fill(n));
      equal(await watched.close(), { code: 4002, reason: 'after the burst' });
    },
  },
  {
    name: 'reports the code and reason of the peer',
    async run(context) {
      for (const code of [1000, 1009, 4000, 4401, 4503, 4531]) {
        const wire = await connect(context);
        wire.connection.send(`/close ${code} because of ${code}`);
        equal(await wire.close(), { code, reason: `because of ${code}` });
        equal(wire.closes, 1);
      }
    },
  },
  {
    name: 'reports a connection that broke as 1006, once',
    async run(context) {
      const wire = await connect(context);
      wire.connection.send('/terminate');
      equal((await wire.close()).code, 1006);
      await roundTrip(context);
      equal(wire.closes, 1);
    },
  },
  {
    name: 'ignores what is sent or closed after the end',
    async run(context) {
      const wire = await connect(context);
      wire.connection.send('/close 4003 done');
      await wire.close();
      wire.connection.send('too late');
      wire.connection.send(new Uint8Array(10));
      wire.connection.close(1000, 'too late');
      await roundTrip(context);
      equal(wire.closes, 1);
    },
  },
  {
    name: 'reports a dial that failed as one close 1006 without an open',
    async run(context) {
      const wire = new Wire(context.transport, context.server.deadUrl);
      equal((await wire.close()).code, 1006);
      await roundTrip(context);
      equal(wire.opens, 0);
      equal(wire.closes, 1);
    },
  },
  {
    name: 'reports a dial that was given up as one close without an open',
    async run(context) {
      const wire = new Wire(context.transport, context.server.url);
      wire.connection.close(1000, 'changed my mind');
      await wire.close();
      await roundTrip(context);
      equal(wire.opens, 0);
      equal(wire.closes, 1);
    },
  },
  {
    name: 'refuses a URL that it cannot dial with INVALID_CONFIG',
    async run({ transport, server }) {
      const error = thrownBy(() => new Wire(transport, `${server.url}#fragment`));
      check(error instanceof LogError && error.code === 'INVALID_CONFIG', `expected INVALID_CONFIG, got ${error}`);
    },
  },
  {
    name: 'keeps connections apart',
    async run(context) {
      const wires = await Promise.all(Array.from({ length: 10 }, () => connect(context)));
      for (const [n, wire] of wires.entries()) wire.connection.send(`mine is ${n}`);
      for (const [n, wire] of wires.entries()) equal(await wire.frame(), `mine is ${n}`);
      wires[0]?.connection.close(1000, '');
      await wires[0]?.close();
      for (const wire of wires.slice(1)) {
        equal(await wire.ask('still here'), 'still here');
        wire.connection.close(1000, '');
        await wire.close();
      }
    },
  },
];

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

function equal(actual: unknown, expected: unknown): void {
  if (same(actual, expected)) return;
  throw new Error(`expected ${describe(expected)}, got ${describe(actual)}`);
}

function same(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (typeof a === 'object' && typeof b === 'object') return JSON.stringify(a) === JSON.stringify(b);
  return a === b;
}

function describe(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes [${value.subarray(0, 16).join(' ')} …]`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
}

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
