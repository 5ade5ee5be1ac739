import { LogError } from 'distributedlog/protocol';
import { describe, expect, it } from 'vitest';
import type { Logger } from '../options.ts';
import { healthLines } from './health-lines.ts';

function setUp() {
  const lines: string[] = [];
  const note = (level: string) => (fields: object, message?: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const state: { error: LogError | undefined; at: number } = { error: undefined, at: 0 };
  const look = healthLines(
    () => state.error,
    logger,
    () => state.at,
  );
  const at = (ms: number, error?: LogError) => {
    state.at = ms;
    state.error = error;
    look();
    return lines.splice(0);
  };
  return at;
}
const away = new LogError('BROKER_NOT_AVAILABLE', 'no broker answers');

describe('healthLines', () => {
  it('says nothing as long as all is well', () => {
    const at = setUp();
    expect([...at(0), ...at(1_000), ...at(100_000)]).toEqual([]);
  });
  it('says trouble once, again after a minute, and its end', () => {
    const at = setUp();
    const line = 'warn the log cannot be served: no broker answers';
    expect(at(1_000, away)).toEqual([`${line} {"code":"BROKER_NOT_AVAILABLE","forMs":0}`]);
    expect([...at(2_000, away), ...at(60_999, away)]).toEqual([]);
    expect(at(61_000, away)).toEqual([`${line} {"code":"BROKER_NOT_AVAILABLE","forMs":60000}`]);
    expect(at(62_000, away)).toEqual([]);
    expect(at(63_000)).toEqual(['info the log can be served now {"afterMs":62000}']);
    expect(at(64_000)).toEqual([]);
  });
  it('says another trouble at once', () => {
    const at = setUp();
    at(0, away);
    expect(at(1, new LogError('UNSUPPORTED_VERSION', 'too old'))).toHaveLength(1);
    expect(at(2)).toEqual(['info the log can be served now {"afterMs":2}']);
  });
});
