import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { LogError } from '../protocol/index.ts';
import { choice, clientConfigSchema, clientConfigShape, integer, nearest, parseConfig } from './config.ts';

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(LogError);
    expect(LogError.from(error).code).toBe('INVALID_CONFIG');
    return LogError.from(error).message;
  }
  throw new Error('nothing was thrown');
}
const parse = (config: unknown) => parseConfig('Client', clientConfigSchema, config);

describe('parseConfig', () => {
  it('fills in the defaults', () => {
    expect(parse(undefined)).toEqual({
      clientId: 'distributedlog',
      requestTimeoutMs: 30_000,
      reconnectBackoffMs: 100,
      reconnectBackoffMaxMs: 10_000,
    });
  });
  it('takes an undefined value as absent', () => {
    expect(parse({ requestTimeoutMs: undefined, nonsense: undefined }).requestTimeoutMs).toBe(30_000);
  });
  it('names every wrong and every unknown key in one error', () => {
    const message = messageOf(() => parse({ requestTimeoutMs: 0, reconnectBackofMs: 5, clientId: 7, colour: 'red' }));
    expect(message).toMatch(/^Client: /);
    expect(message).toContain('requestTimeoutMs must be an integer (ms) from 1 to 2,147,483,647, got 0');
    expect(message).toContain('clientId must be a string of 1 to 255 characters, got 7');
    expect(message).toContain('unknown key "reconnectBackofMs" (did you mean "reconnectBackoffMs"?)');
    expect(message).toContain('unknown key "colour" (known keys: bootstrapServers, clientId');
  });
  it('names an unknown key of what is nested, with the keys that are allowed there', () => {
    const tls = z.strictObject({ cert: z.string(), key: z.string() });
    const reset = z.union([z.literal('earliest'), z.strictObject({ durationMs: integer(0) })]);
    const schema = z.strictObject({
      tls: z.optional(tls),
      limits: z._default(z.strictObject({ hello: integer(1) }), { hello: 1 }),
      list: z.optional(z.array(tls)),
      reset: z.optional(reset),
    });
    const message = (config: unknown) => messageOf(() => parseConfig('X', schema, config));
    expect(message({ tls: { cert: '', key: '', ca: '' } })).toBe('X: unknown key "ca" in tls (known keys: cert, key)');
    expect(message({ limits: { hello: 1, helo: 2 } })).toBe('X: unknown key "helo" in limits (did you mean "hello"?)');
    expect(message({ list: [{ cert: '', key: '', keys: 0 }] })).toBe(
      'X: unknown key "keys" in list[0] (did you mean "key"?)',
    );
    expect(message({ reset: { durationMs: 1, other: 1 } })).toMatch(/reset/);
  });
  it('refuses what is not an object', () => {
    for (const config of ['localhost:9192', 5, null, [], () => 0]) {
      expect(messageOf(() => parse(config))).toMatch(/must be an object, got/);
    }
  });
  it('never repeats a token', () => {
    expect(messageOf(() => parse({ token: 12345 }))).toBe(
      'Client: token must be a string of 1 to 16,384 characters or a function that returns one, got a number',
    );
  });
  it('checks functions and instances for their kind and passes them on as they are', () => {
    const clock = { now: () => 0, after: () => () => undefined };
    expect(parse({ clock }).clock).toBe(clock);
    expect(messageOf(() => parse({ clock: {} }))).toContain('clock must be a Clock');
    expect(messageOf(() => parse({ transport: 'ws' }))).toContain('transport must be a Transport');
  });
  it('reads servers from a string, a list, or a string with commas', () => {
    expect(parse({ bootstrapServers: 'a:1' }).bootstrapServers).toBe('a:1');
    expect(parse({ bootstrapServers: ['ws://a:1/x', 'wss://b'] }).bootstrapServers).toEqual(['ws://a:1/x', 'wss://b']);
    expect(parse({ bootstrapServers: 'a:1, [::1]:2' }).bootstrapServers).toBe('a:1, [::1]:2');
  });
  it.each([
    'http://a:1',
    '',
    'a:99999',
    'a:0',
    'a b',
    'ws://',
    'ws://user@host',
    'a:1?token=x',
    [],
    ['a:1', 'x y'],
    [5],
    5,
  ])('refuses %j as servers', (bootstrapServers) => {
    expect(messageOf(() => parse({ bootstrapServers }))).toMatch(/^Client: bootstrapServers(:| must be) .*wss:/);
  });
  it('never repeats credentials in a URL', () => {
    const message = messageOf(() => parse({ bootstrapServers: 'ws://user:secret@host:1' }));
    expect(message).toContain('credentials');
    expect(message).not.toContain('secret');
  });
  it('names the place of a nested problem', () => {
    const schema = z.strictObject({ ...clientConfigShape, reset: z.strictObject({ durationMs: integer(1) }) });
    expect(messageOf(() => parseConfig('X', schema, { reset: { durationMs: -1 } }))).toBe(
      'X: reset.durationMs must be an integer of at least 1, got -1',
    );
    expect(messageOf(() => parseConfig('X', schema, { reset: { durationMs: 1, other: 2 } }))).toBe(
      'X: unknown key "other" in reset (known keys: durationMs)',
    );
    expect(messageOf(() => parseConfig('X', schema, {}))).toMatch(/^X: reset is missing/);
  });
  it('lists what a choice allows', () => {
    const schema = z.strictObject({ compression: z._default(choice(['none', 'gzip']), 'none') });
    expect(messageOf(() => parseConfig('X', schema, { compression: 'lz4' }))).toBe(
      "X: compression must be 'none' or 'gzip', got \"lz4\"",
    );
  });
});

describe('nearest', () => {
  it('finds a misspelt word and leaves strange ones alone', () => {
    expect(nearest('groupid', ['groupId', 'groupInstanceId'])).toBe('groupId');
    expect(nearest('lingerMS', ['lingerMs'])).toBe('lingerMs');
    expect(nearest('zebra', ['groupId', 'lingerMs'])).toBeUndefined();
  });
});
