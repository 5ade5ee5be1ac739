import { LogError } from 'distributedlog/protocol';
import { DEFAULT_LIMITS } from 'distributedlog/server';
import { describe, expect, it } from 'vitest';
import { type GatewayOptions, isLoopback, parseGatewayOptions } from './options.ts';
import { testLog } from './test-support.ts';

const log = testLog();
const parse = (options: object) => parseGatewayOptions({ log, ...options });
function refusal(options: object): string {
  try {
    parse(options);
  } catch (error) {
    expect(LogError.from(error).code).toBe('INVALID_CONFIG');
    return LogError.from(error).message;
  }
  throw new Error(`accepted ${JSON.stringify(options)}`);
}

describe('parseGatewayOptions', () => {
  it('binds loopback, port 9192 and the documented limits by default', () => {
    expect(parse({})).toMatchObject({
      host: '127.0.0.1',
      port: 9192,
      path: '/',
      limits: DEFAULT_LIMITS,
      trustProxy: false,
    });
  });
  it('takes undefined as absent', () => {
    const options: GatewayOptions = {
      log,
      port: undefined,
      limits: { drainMs: undefined },
      auth: undefined,
      tls: undefined,
    };
    expect(parseGatewayOptions(options)).toMatchObject({ port: 9192, limits: DEFAULT_LIMITS });
  });
  it('names an unknown key, and those there are', () => {
    expect(refusal({ hots: 'localhost' })).toContain('unknown key "hots" (did you mean "host"?)');
    expect(refusal({ zebra: 1 })).toMatch(/unknown key "zebra" \(known keys: log, host, port, /);
    expect(refusal({ limits: { maxConections: 1 } })).toContain('"maxConections" (did you mean "maxConnections"?)');
  });
  it('needs a log', () => {
    expect(refusal({ log: undefined })).toContain('log is missing; it must be a Log, such as embeddedLog');
    expect(refusal({ log: {} })).toContain('log must be a Log');
  });
  it.each(['auth', 'acl'])('refuses %s while it is not enforced', (key) => {
    for (const value of [{}, null, false]) expect(refusal({ [key]: value })).toContain(`${key} is not enforced yet`);
  });
  it.each(['0.0.0.0', '::', '10.0.0.1', 'logs.example', '127.0.0.1.evil.example', '127.evil.example'])(
    'refuses to listen on %s without authentication, unless told to',
    (host) => {
      const message = refusal({ host });
      expect(message).toContain(host);
      expect(message).toContain('allowUnauthenticated');
      expect(message).toContain('--allow-unauthenticated');
      expect(parse({ host, allowUnauthenticated: true }).host).toBe(host);
    },
  );
  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('listens on %s without more ado', (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(parse({ host }).host).toBe(host);
  });
  it.each(Object.keys(DEFAULT_LIMITS))('refuses limits.%s of 0, negative, fractional, or 2^31', (name) => {
    for (const value of [0, -1, 1.5, 2 ** 31, Number.POSITIVE_INFINITY, Number.NaN, '5', null]) {
      expect(refusal({ limits: { [name]: value } })).toContain(`${name} must be an integer from 1 to 2,147,483,647`);
    }
    expect(parse({ limits: { [name]: 2 ** 31 - 1 } }).limits).toMatchObject({ [name]: 2 ** 31 - 1 });
  });
  it.each([
    [{ port: 65_536 }, 'port'],
    [{ port: '80' }, 'port'],
    [{ host: '' }, 'host'],
    [{ path: 'dlog' }, 'path'],
    [{ path: '/a?b' }, 'path'],
    [{ allowedOrigins: ['*'] }, 'allowedOrigins'],
    [{ allowedOrigins: ['https://app.example/'] }, 'allowedOrigins'],
    [{ allowedOrigins: 'https://app.example' }, 'allowedOrigins'],
    [{ allowedHosts: ['https://app.example'] }, 'allowedHosts'],
    [{ allowedHosts: ['App.example'] }, 'allowedHosts'],
    [{ trustProxy: 1 }, 'trustProxy'],
    [{ tls: { cert: 'x', key: 'y' } }, 'tls'],
    [{ tls: true }, 'tls'],
    [{ logger: {} }, 'logger'],
    [{ staticDir: '' }, 'staticDir'],
    [{ limits: 5 }, 'limits'],
  ])('refuses %j and names it', (options, name) => {
    expect(refusal(options)).toContain(name);
  });
});
