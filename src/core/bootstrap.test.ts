// bootstrapServers, as users write them.
import { describe, expect, it } from 'vitest';
import { parseBootstrapServers } from './bootstrap.ts';

const parse = (
  servers: string | readonly string[] | undefined,
  server = 'localhost:9192',
  scheme: 'ws' | 'wss' = 'ws',
) => parseBootstrapServers(servers, { server, scheme });

describe('bootstrapServers', () => {
  it('may be a host and port, a URL, or several of them', () => {
    expect(parse('example.com:9192')).toEqual(['ws://example.com:9192/']);
    expect(parse('example.com:9192', undefined, 'wss')).toEqual(['wss://example.com:9192/']);
    expect(parse('ws://example.com')).toEqual(['ws://example.com/']);
    expect(parse('WSS://example.com/dlog?zone=a')).toEqual(['wss://example.com/dlog?zone=a']);
    expect(parse('[::1]:9192')).toEqual(['ws://[::1]:9192/']);
    expect(parse('a:1, b:2 ,wss://c')).toEqual(['ws://a:1/', 'ws://b:2/', 'wss://c/']);
    expect(parse(['a:1', 'b:65535'])).toEqual(['ws://a:1/', 'ws://b:65535/']);
  });

  it('default to those of the runtime, where a page has no port to name', () => {
    expect(parse(undefined)).toEqual(['ws://localhost:9192/']);
    expect(parse(undefined, 'example.com', 'wss')).toEqual(['wss://example.com/']);
  });

  it('are refused with their name, what is wrong and what is allowed', () => {
    const wrong: [string | readonly string[], RegExp][] = [
      ['', /"" is empty/],
      ['a:1,,b:2', /"" is empty/],
      [[], /the list is empty/],
      ['example.com', /"example.com" has no port/],
      ['[::1]', /has no port/],
      ['example.com:0', /has the port 0, which is not between 1 and 65535/],
      ['example.com:65536', /has the port 65536/],
      ['ws://example.com:99999/x', /has the port 99999/],
      ['example.com:http', /has no port/],
      ['http://example.com', /has the scheme 'http'/],
      ['kafka://example.com:9092', /has the scheme 'kafka'/],
      ['example.com:9192/path', /more than a host and a port/],
      ['ws://example.com/#here', /has a fragment/],
      ['ws://example.com/#', /has a fragment/],
      ['ws://', /is not a URL/],
      ['exa mple:9192', /is not a URL/],
      ['a@b:9192', /more than a host and a port/],
    ];
    for (const [servers, message] of wrong) {
      expect(() => parse(servers), String(servers)).toThrow(message);
      expect(() => parse(servers)).toThrow(/allowed are 'host:port', 'ws:\/\/host/);
      expect(() => parse(servers)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    }
  });

  it('never repeat credentials in the message', () => {
    const attempt = () => parse('wss://user:secret@example.com');
    expect(attempt).toThrow(/example.com contains credentials; pass them as token/);
    expect(attempt).not.toThrow(/secret/);
  });
});
