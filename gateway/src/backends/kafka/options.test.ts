import { describe, expect, it } from 'vitest';
import { type KafkaLogOptions, parseKafkaLogOptions } from './options.ts';

const parse = (options: Partial<KafkaLogOptions>) => parseKafkaLogOptions({ brokers: ['k:1'], ...options });
const refusal = (options: unknown) => {
  try {
    parseKafkaLogOptions(options as KafkaLogOptions);
  } catch (error) {
    return error;
  }
  return 'taken';
};
const invalid = (...parts: string[]) => ({
  code: 'INVALID_CONFIG',
  message: expect.stringMatching(new RegExp(parts.join('.*'))),
});

describe('options of a Kafka log', () => {
  it('have defaults, and undefined counts as absent', () => {
    const { brokers, ...rest } = parse({ tls: undefined, sasl: undefined, defaultPartitions: undefined });
    expect(brokers).toEqual([{ host: 'k', port: 1 }]);
    expect(rest).toMatchObject({
      clientId: 'dlog-gateway',
      autoCreateTopics: false,
      metadataMaxAgeMs: 10_000,
      requestTimeoutMs: 30_000,
      groupProtocol: 'auto',
    });
  });

  it('name brokers by host or address, with a port or Kafka’s own', () => {
    expect(
      parse({ brokers: ['kafka', 'kafka-1.example.com:29092', '10.0.0.1:1', '[::1]:9093', '[fe80::1%eth0]'] }).brokers,
    ).toEqual([
      { host: 'kafka', port: 9092 },
      { host: 'kafka-1.example.com', port: 29_092 },
      { host: '10.0.0.1', port: 1 },
      { host: '::1', port: 9093 },
      { host: 'fe80::1%eth0', port: 9092 },
    ]);
    for (const wrong of ['', ':9092', 'a:0', 'a:65536', 'a:b', 'a b', '::1', 'http://a:1', 'a:1,b:1']) {
      expect(refusal({ brokers: [wrong] })).toMatchObject(invalid('brokers'));
    }
    expect(refusal({ brokers: [] })).toMatchObject(invalid('brokers', '1 to 1,000'));
    expect(refusal({})).toMatchObject(invalid('brokers'));
  });

  it('that nobody knows, or that are wrong, are refused by name, and no secret is repeated', () => {
    expect(refusal({ brokers: ['k'], broker: 'k' })).toMatchObject(invalid('broker'));
    expect(refusal({ brokers: ['k'], requestTimeoutMs: 1 })).toMatchObject(invalid('requestTimeoutMs'));
    expect(refusal({ brokers: ['k'], groupProtocol: 'new' })).toMatchObject(
      invalid('groupProtocol', 'auto', 'consumer', 'classic'),
    );
    expect(refusal({ brokers: ['k'], tls: { cert: 1 } })).toMatchObject(invalid('tls'));
    const secret = refusal({ brokers: ['k'], resumeSecret: 'too short' });
    expect(secret).toMatchObject(invalid('resumeSecret', '32'));
    expect(String(secret)).not.toContain('too short');
  });

  it('ask for what the mechanism needs', () => {
    expect(refusal({ brokers: ['k'], sasl: { mechanism: 'PLAIN', username: 'u' } })).toMatchObject(
      invalid('PLAIN', 'sasl.password'),
    );
    expect(refusal({ brokers: ['k'], sasl: { mechanism: 'SCRAM-SHA-512' } })).toMatchObject(
      invalid('sasl.username and sasl.password'),
    );
    expect(refusal({ brokers: ['k'], sasl: { mechanism: 'OAUTHBEARER' } })).toMatchObject(invalid('sasl.token'));
    expect(refusal({ brokers: ['k'], sasl: { mechanism: 'GSSAPI' } })).toMatchObject(invalid('mechanism', 'PLAIN'));
    const token = () => Promise.resolve('t');
    expect(parse({ sasl: { mechanism: 'OAUTHBEARER', token } }).sasl?.token).toBe(token);
  });
});
