import { NetworkError, protocolErrors, ResponseError, TimeoutError, UnsupportedApiError } from '@platformatic/kafka';
import { type ErrorCode, LogError } from 'distributedlog/protocol';
import { describe, expect, it } from 'vitest';
import { brokerError, nameOfCode, toLogError } from './errors.ts';

const OF_CLIENTS: readonly ErrorCode[] = [
  'ABORTED',
  'CLOSED',
  'TIMED_OUT',
  'ILLEGAL_STATE',
  'INVALID_CONFIG',
  'NO_OFFSET_FOR_PARTITION',
  'COMMIT_FAILED',
  'DESERIALIZATION_FAILED',
  'NETWORK_EXCEPTION',
];
const codeOf = (name: string) => {
  const found = Object.values(protocolErrors).find(({ id }) => id === name);
  if (found === undefined) throw new Error(`Kafka has no ${name}`);
  return found.code;
};

describe('errors of brokers', () => {
  it('never have a code that only clients use, and always name Kafka’s own', () => {
    for (const { code, id } of Object.values(protocolErrors)) {
      const error = brokerError(code, 'It');
      expect(OF_CLIENTS).not.toContain(error.code);
      expect(error.message).toBe(`It: the broker says ${id}`);
    }
  });

  it.each([
    ['MESSAGE_TOO_LARGE', 'RECORD_TOO_LARGE', false],
    ['NOT_ENOUGH_REPLICAS', 'BROKER_NOT_AVAILABLE', true],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'REQUEST_TIMED_OUT', true],
    ['NETWORK_EXCEPTION', 'BROKER_NOT_AVAILABLE', true],
    ['INVALID_CONFIG', 'INVALID_REQUEST', false],
    ['CLUSTER_AUTHORIZATION_FAILED', 'TOPIC_AUTHORIZATION_FAILED', false],
    ['GROUP_AUTHORIZATION_FAILED', 'GROUP_AUTHORIZATION_FAILED', false],
    ['CONCURRENT_TRANSACTIONS', 'UNKNOWN_SERVER_ERROR', false],
  ])('%s is %s', (name, code, retriable) => {
    expect(brokerError(codeOf(name), 'It', { topic: 't' }, 'because')).toMatchObject({
      code,
      retriable,
      topic: 't',
      message: `It: the broker says ${name}: because`,
    });
  });

  it('that a library does not know have their number', () => {
    expect(nameOfCode(9_999)).toBe('error 9999');
    expect(brokerError(9_999, 'It').code).toBe('UNKNOWN_SERVER_ERROR');
  });
});

describe('errors of connections', () => {
  it('are told apart: no connection, no answer, no such version, a refusal', () => {
    const refused = new NetworkError('Connection to k:9092 failed.', { cause: new Error('connect ECONNREFUSED') });
    expect(toLogError(refused, 'It')).toMatchObject({
      code: 'BROKER_NOT_AVAILABLE',
      message: 'It: Connection to k:9092 failed: connect ECONNREFUSED',
    });
    expect(toLogError(new TimeoutError('Connection to k:9092 timed out.'), 'It').code).toBe('BROKER_NOT_AVAILABLE');
    expect(toLogError(new TimeoutError('Request timed out'), 'It').code).toBe('REQUEST_TIMED_OUT');
    expect(toLogError(new UnsupportedApiError('no'), 'It').code).toBe('UNSUPPORTED_VERSION');
    const response = new ResponseError(0, 9, { '/': [codeOf('TOPIC_AUTHORIZATION_FAILED'), 'not you'] }, {});
    expect(toLogError(response, 'It')).toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
      message: 'It: the broker says TOPIC_AUTHORIZATION_FAILED: not you',
    });
    const ours = new LogError('RECORD_TOO_LARGE', 'x');
    expect(toLogError(ours, 'It')).toBe(ours);
    expect(toLogError('odd', 'It')).toMatchObject({ code: 'BROKER_NOT_AVAILABLE', message: 'It: odd' });
  });
});
