import { describe, expect, it } from 'vitest';
import { type AdmissionRules, type Caller, clientAddress, hostRefusal, isOriginAllowed } from './admission.ts';

const rules = (more: Partial<AdmissionRules> = {}): AdmissionRules => ({
  host: '127.0.0.1',
  allowedOrigins: [],
  allowedHosts: [],
  trustProxy: false,
  encrypted: false,
  ...more,
});
const caller = (headers: Caller['headers'], more: Partial<Caller> = {}): Caller => ({
  headers: { host: 'localhost:9192', ...headers },
  remoteAddress: '127.0.0.1',
  localAddress: '127.0.0.1',
  localPort: 9192,
  ...more,
});

describe('hostRefusal', () => {
  it.each(['localhost:9192', 'LOCALHOST:9192', '127.0.0.1:9192', '[::1]:9192'])(
    'serves %s, a name of loopback',
    (host) => {
      expect(hostRefusal(rules(), caller({ host }))).toBeUndefined();
    },
  );
  it.each([
    'evil.example:9192',
    'evil.example',
    'localhost',
    'localhost:80',
    '127.0.0.1',
    '127.0.0.1.evil.example:9192',
    'localhost:9192.evil',
    '',
  ])('refuses %j and names it', (host) => {
    expect(hostRefusal(rules(), caller({ host }))).toContain(JSON.stringify(host));
  });
  it('refuses a request without Host', () => {
    expect(hostRefusal(rules(), { ...caller({}), headers: {} })).toBe('the request has no Host header');
  });
  it('serves the configured name and the address a connection came in at', () => {
    const open = rules({ host: 'logs.local' });
    expect(hostRefusal(open, caller({ host: 'logs.local:9192' }))).toBeUndefined();
    const everywhere = rules({ host: '::' });
    expect(
      hostRefusal(everywhere, caller({ host: '10.1.2.3:9192' }, { localAddress: '::ffff:10.1.2.3' })),
    ).toBeUndefined();
    expect(hostRefusal(everywhere, caller({ host: '[fd00::2]:9192' }, { localAddress: 'fd00::2' }))).toBeUndefined();
    expect(hostRefusal(everywhere, caller({ host: '10.9.9.9:9192' }, { localAddress: '10.1.2.3' }))).toBeDefined();
  });
  it("needs no port where it is the scheme's own", () => {
    expect(hostRefusal(rules(), caller({ host: 'localhost' }, { localPort: 80 }))).toBeUndefined();
    expect(hostRefusal(rules({ encrypted: true }), caller({ host: 'localhost' }, { localPort: 443 }))).toBeUndefined();
    expect(hostRefusal(rules({ encrypted: true }), caller({ host: 'localhost' }, { localPort: 80 }))).toBeDefined();
  });
  it('serves allowedHosts exactly', () => {
    const allowed = rules({ allowedHosts: ['logs.example', 'other.example:8443'] });
    expect(hostRefusal(allowed, caller({ host: 'logs.example' }))).toBeUndefined();
    expect(hostRefusal(allowed, caller({ host: 'Other.Example:8443' }))).toBeUndefined();
    expect(hostRefusal(allowed, caller({ host: 'logs.example:9192' }))).toBeDefined();
    expect(hostRefusal(allowed, caller({ host: 'sub.logs.example' }))).toBeDefined();
  });
  it('looks at X-Forwarded-Host only behind a trusted proxy', () => {
    const headers = { host: 'localhost:9192', 'x-forwarded-host': 'evil.example' };
    expect(hostRefusal(rules(), caller(headers))).toBeUndefined();
    expect(hostRefusal(rules({ trustProxy: true }), caller(headers))).toContain('evil.example');
  });
});

describe('isOriginAllowed', () => {
  it('allows what sends no Origin, since that is no page', () => {
    expect(isOriginAllowed(rules(), caller({}))).toBe(true);
  });
  it("allows the gateway's own pages", () => {
    expect(isOriginAllowed(rules(), caller({ origin: 'http://localhost:9192' }))).toBe(true);
    expect(isOriginAllowed(rules(), caller({ origin: 'https://logs.example', host: 'logs.example:443' }))).toBe(true);
  });
  it.each([
    'http://localhost:5173',
    'http://127.0.0.1:9192',
    'http://localhost:9192.evil.example',
    'http://evil.example',
    'http://localhost:9192/',
    'http://LOCALHOST:9192',
    'null',
    '*',
    '',
  ])('refuses the foreign Origin %j', (origin) => {
    expect(isOriginAllowed(rules(), caller({ origin }))).toBe(false);
  });
  it('allows allowedOrigins exactly, and still its own', () => {
    const allowed = rules({ allowedOrigins: ['https://app.example'] });
    expect(isOriginAllowed(allowed, caller({ origin: 'https://app.example' }))).toBe(true);
    expect(isOriginAllowed(allowed, caller({ origin: 'http://localhost:9192' }))).toBe(true);
    expect(isOriginAllowed(allowed, caller({ origin: 'http://app.example' }))).toBe(false);
    expect(isOriginAllowed(allowed, caller({ origin: 'https://app.example:444' }))).toBe(false);
    expect(isOriginAllowed(allowed, caller({ origin: 'https://app.example.evil' }))).toBe(false);
  });
  it('compares with what the trusted proxy was asked for, scheme included', () => {
    const proxied = rules({ trustProxy: true });
    const headers = { host: 'backend:9192', 'x-forwarded-host': 'logs.example', 'x-forwarded-proto': 'https' };
    expect(isOriginAllowed(proxied, caller({ ...headers, origin: 'https://logs.example' }))).toBe(true);
    expect(isOriginAllowed(proxied, caller({ ...headers, origin: 'http://logs.example' }))).toBe(false);
    expect(isOriginAllowed(rules(), caller({ ...headers, origin: 'https://logs.example' }))).toBe(false);
  });
});

describe('clientAddress', () => {
  it('is the peer of the connection', () => {
    expect(clientAddress(rules(), caller({ 'x-forwarded-for': '1.2.3.4' }, { remoteAddress: '::ffff:10.0.0.7' }))).toBe(
      '10.0.0.7',
    );
  });
  it('is what the trusted proxy wrote last: what comes before it the client may have made up', () => {
    const proxied = rules({ trustProxy: true });
    expect(clientAddress(proxied, caller({ 'x-forwarded-for': '6.6.6.6, 1.2.3.4' }))).toBe('1.2.3.4');
    expect(clientAddress(proxied, caller({}))).toBe('127.0.0.1');
    expect(clientAddress(proxied, caller({ 'x-forwarded-for': '' }))).toBe('127.0.0.1');
  });
  it('has a name also when the peer is already gone', () => {
    expect(clientAddress(rules(), caller({}, { remoteAddress: undefined }))).toBe('unknown');
  });
});
