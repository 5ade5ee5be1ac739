import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeClientFrame,
  encodeServerFrame,
  parseClientFrame,
  parseServerFrame,
  readFrameId,
} from './control-codec.ts';
import { LogError } from './errors.ts';

const TOPIC_ID = '0123abcd-4567-89ab-cdef-0123456789ab';
function messageOf(frame: unknown, parse: (text: string) => unknown = parseClientFrame): string {
  try {
    parse(typeof frame === 'string' ? frame : JSON.stringify(frame));
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    expect(error.code).toBe('INVALID_REQUEST');
    return error.message;
  }
  throw new Error('it was taken');
}

describe('a client frame', () => {
  it('comes back as it was sent', () => {
    const frame = {
      type: 'commit',
      id: 3,
      groupId: 'g',
      offsets: [{ topicId: TOPIC_ID, partition: 0, offset: 2 ** 53 - 1, metadata: 'é"\\' }],
    } as const;
    expect(parseClientFrame(encodeClientFrame({ ...frame, offsets: [...frame.offsets] }))).toEqual(frame);
  });

  it('is refused with the field, what is wrong with it, and what is allowed', () => {
    expect(messageOf({ type: 'ping', id: -1 })).toBe('The frame of type "ping" is malformed: id: at least 0, not -1.');
    expect(messageOf({ type: 'ping', id: 1.5 })).toContain('id: expected int, not 1.5');
    expect(messageOf({ type: 'ping' })).toContain('id: expected number, it is missing');
    expect(messageOf({ type: 'ping', id: 2 ** 31 })).toContain('id: at most 2147483647, not 2147483648');
    expect(messageOf({ type: 'hello', versions: [] })).toContain('versions: at least 1 items, not an array of 0');
    expect(messageOf({ type: 'hello', versions: [1], codecs: ['br'] })).toContain(
      'codecs[0]: expected gzip or snappy or lz4 or zstd, not "br"',
    );
    expect(messageOf({ type: 'hello', versions: [1], software: { name: 'x', version: '1', os: 'y' } })).toContain(
      'software: unknown key "os", allowed: name, version',
    );
    const query = { type: 'listOffsets', id: 1, isolation: 'read_committed' };
    expect(messageOf({ ...query, partitions: [{ topicId: 'T', partition: 0, at: 'now' }] })).toContain(
      'partitions[0].topicId: expected a UUID in lower case with hyphens; partitions[0].at: expected earliest or latest or number, not "now"',
    );
    const at = { topicId: TOPIC_ID, partition: 0, at: 0 };
    expect(messageOf({ ...query, partitions: Array(257).fill(at) })).toContain('partitions: at most 256 items');
    expect(messageOf({ type: 'fetch' })).toMatch(/consumer: expected number, it is missing;.*and 3 more\.$/);
  });

  it('of an unknown type is answered with the types there are', () => {
    expect(messageOf({ type: 'subscribe' })).toMatch(
      /type: expected one of hello, ping, .*, heartbeat, not "subscribe"/,
    );
    for (const frame of [{}, [], null, 1, 'x', { type: 'toString' }, { type: '__proto__' }, { type: 7 }]) {
      expect(messageOf(JSON.stringify(frame))).toContain('malformed');
    }
  });

  it('that is not JSON, too long or too deep is refused before it is parsed', () => {
    expect(messageOf('{"type":"pi')).toContain('not JSON');
    expect(messageOf('')).toContain('not JSON');
    expect(messageOf(' '.repeat(65_537))).toBe('The frame has 65537 characters; allowed are 65536 bytes.');
    expect(messageOf('['.repeat(60_000))).toContain('nested deeper than 64');
    expect(messageOf('{"a":'.repeat(65) + 1 + '}'.repeat(65))).toContain('nested deeper than 64');
    expect(messageOf('['.repeat(64) + ']'.repeat(64))).toContain('malformed');
    // Brackets in a string are text.
    expect(
      parseClientFrame(
        JSON.stringify({ type: 'metadata', id: 1, topics: ['[{'.repeat(100), `\\"${'['.repeat(100)}`] }),
      ),
    ).toMatchObject({ id: 1 });
    expect(parseClientFrame(`${' '.repeat(70_000)}{"type":"ping","id":1}`, 80_000)).toEqual({ type: 'ping', id: 1 });
  });

  it('with __proto__ in it changes no prototype', () => {
    expect(messageOf('{"type":"ping","id":1,"__proto__":{"id":2}}')).toContain(
      'unknown key "__proto__", allowed: type, id',
    );
    expect(messageOf('{"__proto__":{"type":"ping","id":1}}')).toContain('type: expected one of');
    const frame = parseClientFrame(
      '{"type":"createTopic","id":1,"name":"t","config":{"__proto__":"x","constructor":"y"}}',
    );
    if (frame.type !== 'createTopic') throw new Error('another frame');
    expect(Object.getPrototypeOf(frame.config)).toBe(Object.prototype);
    expect(frame.config).toEqual({ constructor: 'y' });
    expect('x' in Object.prototype).toBe(false);
  });
});

describe('the id of a refused frame', () => {
  it('is read where it is one', () => {
    expect(readFrameId('{"type":"nonsense","id":4}')).toBe(4);
    for (const text of [
      '{"id":-1}',
      '{"id":1.5}',
      '{"id":"1"}',
      '{"id":2147483648}',
      '{}',
      '[]',
      'null',
      '{',
      '',
      '['.repeat(1e5),
    ]) {
      expect(readFrameId(text)).toBeUndefined();
    }
  });
});

describe('a server frame', () => {
  it('comes back as it was sent', () => {
    const frame = { type: 'produce', id: 1, baseOffset: 5, logAppendTime: -1, logStart: 0 } as const;
    expect(parseServerFrame(encodeServerFrame(frame))).toEqual(frame);
  });

  it('may say more than this version knows: unknown keys are dropped, an unknown type is no frame', () => {
    expect(parseServerFrame('{"type":"ping","id":1,"load":0.5}')).toEqual({ type: 'ping', id: 1 });
    expect(parseServerFrame('{"type":"weather","sunny":true}')).toBeUndefined();
  });

  it('is refused with the field when it is malformed', () => {
    expect(messageOf({ type: 'ping', id: 'x' }, parseServerFrame)).toBe(
      'The frame of type "ping" is malformed: id: expected integer, not "x".',
    );
    expect(
      messageOf(
        { type: 'feed', stream: 1, consumer: 0, topicId: 't', partition: 0, epoch: 0, offset: 2 ** 53 },
        parseServerFrame,
      ),
    ).toContain('offset: expected integer, not 9007199254740992');
    for (const frame of ['{}', '[]', 'null', '{"type":5}', 'x', '['.repeat(100)]) messageOf(frame, parseServerFrame);
  });
});

it('Any text is a frame or an INVALID_REQUEST, never anything else', () => {
  const valid = [
    '{"type":"ping","id":1}',
    `{"type":"fetch","consumer":0,"isolation":"read_committed","minBytes":1,"maxWaitMs":500,"maxPartitionBytes":1,"limit":1,"partitions":[{"topicId":"${TOPIC_ID}","partition":0,"epoch":0,"offset":0,"limit":1}]}`,
    `{"type":"listOffsets","id":1,"isolation":"read_committed","partitions":[{"topicId":"${TOPIC_ID}","partition":0,"at":"latest"}]}`,
    '{"type":"createTopic","id":1,"name":"t","config":{"retention.ms":"1"}}',
  ];
  const types = [
    'ping',
    'fetch',
    'listOffsets',
    'createTopic',
    'heartbeat',
    'hello',
    'welcome',
    'error',
    'topics',
    'metadata',
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.nat(), fc.nat(5), fc.string({ maxLength: 5 }))
    .map(([text, at, cut, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut));
  const shaped = fc
    .tuple(
      fc.constantFrom(...types),
      fc.dictionary(fc.constantFrom('id', 'partitions', 'topics', 'config', 'ends', '__proto__'), fc.jsonValue()),
    )
    .map(([type, rest]) => JSON.stringify({ ...rest, type }));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), mutated, shaped), (text) => {
      for (const parse of [parseClientFrame, parseServerFrame]) {
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(LogError);
          expect(error).toMatchObject({ code: 'INVALID_REQUEST' });
          expect((error as LogError).message.length).toBeLessThan(2000);
        }
      }
      readFrameId(text);
    }),
    { numRuns: 3000 },
  );
});
