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

describe('gatewayConfig with Kafka', () => {
  const secret = 'an example secret of 32 characters';

  it('takes brokers from a flag, and then has no directory', () => {
    expect(gatewayConfig({ kafka: { brokers: 'a:9092, b' } })).toMatchObject({ kafka: { brokers: ['a:9092', 'b'] } });
    expect(gatewayConfig({ kafka: { brokers: 'a' } }).data).toBeUndefined();
  });
  it('is the embedded log where only variables speak of Kafka', () => {
    const environment = { DLOG_KAFKA_PASSWORD: 'p', DLOG_KAFKA_TLS: '1', DLOG_RESUME_SECRET: secret };
    expect(gatewayConfig({}, undefined, environment)).toMatchObject({ data: 'dlog-data' });
    expect(gatewayConfig({}, undefined, environment).kafka).toBeUndefined();
  });
  it('puts file, variables and flags together: flags win over variables, variables over the file', () => {
    const config = gatewayConfig(
      { kafka: { brokers: 'flag:1', ca: '-----BEGIN' } },
      file({
        autoCreateTopics: true,
        kafka: {
          brokers: ['file:1'],
          clientId: 'edge',
          tls: { servername: 'kafka' },
          sasl: { mechanism: 'SCRAM-SHA-512', username: 'file' },
        },
      }),
      { DLOG_KAFKA_USERNAME: 'variable', DLOG_KAFKA_PASSWORD: 'secret', DLOG_RESUME_SECRET: secret },
    );
    expect(config.kafka).toEqual({
      brokers: ['flag:1'],
      clientId: 'edge',
      tls: { servername: 'kafka', ca: '-----BEGIN' },
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'variable', password: 'secret' },
      resumeSecret: secret,
      autoCreateTopics: true,
    });
  });
  it.each([
    [{ tls: true }, {}, true],
    [{}, { DLOG_KAFKA_TLS: '1' }, true],
    [{}, { DLOG_KAFKA_TLS: '0' }, undefined],
    [{}, { DLOG_KAFKA_TLS: '' }, undefined],
    [{ tls: true, ca: 'x' }, {}, { ca: 'x' }],
  ])('reads TLS from the flags %j and the variables %j', (flags, environment, tls) => {
    expect(gatewayConfig({ kafka: { brokers: 'a', ...flags } }, undefined, environment).kafka?.tls).toEqual(tls);
  });
  it.each([
    ['both logs', { data: 'd', kafka: { brokers: 'a' } }, {}, /data and kafka exclude each other/],
    [
      'retention',
      { retentionMs: 5, kafka: { brokers: 'a' } },
      {},
      /retentionMs cannot be set with kafka: .* decided by the cluster/,
    ],
    ['flags without a cluster', { kafka: { tls: true } }, {}, /need --kafka BROKERS/],
    ['what is no broker', { kafka: { brokers: 'http://a' } }, {}, /kafka: brokers must be host:port, got "http:\/\/a"/],
    [
      'no broker',
      { kafka: { brokers: '' } },
      {},
      /kafka: brokers\[0\] must be a string of 1 to 300 characters, got ""/,
    ],
    [
      'an unknown mechanism',
      { kafka: { brokers: 'a' } },
      { DLOG_KAFKA_SASL_MECHANISM: 'GSSAPI' },
      /sasl\.mechanism must be 'PLAIN' or .*, got "GSSAPI"/,
    ],
    [
      'a mechanism without a password',
      { kafka: { brokers: 'a' } },
      { DLOG_KAFKA_SASL_MECHANISM: 'PLAIN', DLOG_KAFKA_USERNAME: 'u' },
      /sasl\.mechanism PLAIN needs sasl\.password$/,
    ],
    [
      'a password without a mechanism',
      { kafka: { brokers: 'a' } },
      { DLOG_KAFKA_PASSWORD: 'p' },
      /sasl\.mechanism is missing; it must be 'PLAIN' or/,
    ],
    [
      'a short secret',
      { kafka: { brokers: 'a' } },
      { DLOG_RESUME_SECRET: 'short!' },
      /32 to 1,000 characters, got a string$/,
    ],
    [
      'neither yes nor no',
      { kafka: { brokers: 'a' } },
      { DLOG_KAFKA_TLS: 'yes' },
      /DLOG_KAFKA_TLS must be 1 or 0, got "yes"/,
    ],
  ])('refuses %s', (_, flags, environment, message) => {
    expect(refusal(() => gatewayConfig(flags, undefined, environment))).toMatch(message);
  });
  it('names what is wrong in the file', () => {
    expect(refusal(() => gatewayConfig({}, file({ kafka: { brokers: [] } })))).toMatch(
      /kafka: brokers must be a list of 1 to 1,000 brokers.*, got \[\]$/,
    );
    expect(refusal(() => gatewayConfig({}, file({ kafka: { borkers: ['a'] } })))).toMatch(
      /brokers is missing.*; unknown key "borkers" \(did you mean "brokers"\?\)/,
    );
    expect(refusal(() => gatewayConfig({}, file({ kafka: { brokers: ['a'], autoCreateTopics: true } })))).toBe(
      'dlog.json: autoCreateTopics stands beside kafka, not in it: it is the same for every log',
    );
    expect(refusal(() => gatewayConfig({}, file({ kafka: 'a:9092' })))).toMatch(/kafka must be an object such as/);
  });
});
