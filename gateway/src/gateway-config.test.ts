import { LogError } from 'distributedlog/protocol';
import { describe, expect, it } from 'vitest';
import { gatewayConfig } from './gateway-config.ts';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(LogError.from(error).code).toBe('INVALID_CONFIG');
    expect(LogError.from(error).message).not.toContain('\n');
    return LogError.from(error).message;
  }
  throw new Error('nothing was thrown');
}
const file = (content: unknown) => ({ name: 'dlog.json', text: JSON.stringify(content) });

describe('gatewayConfig', () => {
  it('has defaults for everything', () => {
    expect(gatewayConfig({})).toMatchObject({ host: '127.0.0.1', port: 9192, data: 'dlog-data', logLevel: 'info' });
  });
  it('takes the file, and flags over the file', () => {
    const config = gatewayConfig({ port: 7 }, file({ port: 5, host: '::1', limits: { drainMs: 5 } }));
    expect(config).toMatchObject({ port: 7, host: '::1', limits: { drainMs: 5 } });
  });
  it('keeps what the file says where a flag is absent', () => {
    expect(gatewayConfig({ port: undefined, data: undefined }, file({ port: 5, data: 'd' }))).toMatchObject({
      port: 5,
      data: 'd',
    });
  });
  it('names an unknown key of the file and what it may have meant', () => {
    expect(refusal(() => gatewayConfig({}, file({ prot: 5 })))).toBe(
      'dlog.json: unknown key "prot" (did you mean "port"?)',
    );
    expect(refusal(() => gatewayConfig({}, file({ colour: 5 })))).toContain('known keys: host, port,');
    expect(refusal(() => gatewayConfig({}, file({ limits: { drain: 5, zebra: 1 } })))).toMatch(
      /^dlog\.json: limits: unknown key "drain" \(did you mean "drainMs"\?\); unknown key "zebra" \(known keys: maxFrameBytes,/,
    );
  });
  it('says that a file is not JSON, or not an object', () => {
    expect(refusal(() => gatewayConfig({}, { name: 'dlog.json', text: '{ port: 1 }' }))).toMatch(
      /^dlog\.json is not JSON: /,
    );
    expect(refusal(() => gatewayConfig({}, file([1])))).toMatch(/^dlog\.json: .* must be an object/);
  });
  it('shows a flag that is not what it should be', () => {
    expect(refusal(() => gatewayConfig({ port: '80 80', logLevel: 'loud' }))).toBe(
      'dlog gateway: port must be an integer from 0 to 65,535, got "80 80"; ' +
        `logLevel must be 'debug' or 'info' or 'warn' or 'error' or 'silent', got "loud"`,
    );
  });
});
