// PROTOCOL.md against the code: its tables, every example in it, and the Python client it ends with.
// `UPDATE_DOCS=1 npx vitest run src/protocol/protocol-document.test.ts` writes the tables anew.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CLOSE_CODES,
  CLOSE_MEANINGS,
  type CloseReason,
  clientFrame,
  ERROR_MEANINGS,
  ERROR_TABLE,
  isErrorCode,
  mayReconnect,
  PROTOCOL_LIMITS,
  PROTOCOL_NAME,
  parseClientFrame,
  parseServerFrame,
  serverFrames,
} from './index.ts';

const path = fileURLToPath(new URL('../../PROTOCOL.md', import.meta.url));
const fixtures = fileURLToPath(new URL('./fixtures/frames.json', import.meta.url));
const read = () => readFileSync(path, 'utf8');
const table = (head: string, rows: readonly string[]) =>
  [`| ${head} |`, `|${head.replace(/[^|]+/g, '---')}|`, ...rows.map((row) => `| ${row} |`)].join('\n');

const TABLES = {
  errors: table(
    'code | retriable | meaning',
    Object.entries(ERROR_TABLE).map(
      ([code, { retriable }]) =>
        `\`${code}\` | ${retriable ? 'yes' : 'no'} | ${isErrorCode(code) ? ERROR_MEANINGS[code] : ''}`,
    ),
  ),
  'close-codes': table(
    'code | name | dial again | meaning',
    Object.entries(CLOSE_CODES).map(
      ([name, { code }]) =>
        `${code} | \`${name}\` | ${mayReconnect(code) ? 'yes' : 'no'} | ${CLOSE_MEANINGS[name as CloseReason]}`,
    ),
  ),
  limits: table(
    'limit | value',
    Object.entries(PROTOCOL_LIMITS).map(([name, value]) => `\`${name}\` | ${value.toLocaleString('en')}`),
  ),
};
const section = (name: string) => new RegExp(`(<!-- ${name} -->\n)([\\s\\S]*?)(<!-- /${name} -->)`);

describe('the tables of PROTOCOL.md', () => {
  for (const [name, expected] of Object.entries(TABLES)) {
    it(`of ${name} are those of the code`, () => {
      if (process.env.UPDATE_DOCS) writeFileSync(path, read().replace(section(name), `$1${expected}\n$3`));
      expect(section(name).exec(read())?.[2]).toBe(`${expected}\n`);
    });
  }

  it('speak of the subprotocol there is', () => {
    expect(read()).toContain(`\`${PROTOCOL_NAME}\``);
  });
});

describe('the examples of PROTOCOL.md', () => {
  const lines = read()
    .split('\n')
    .filter((line) => /^[→←] /.test(line));
  const examples = lines.map((line) => ({ from: line[0], text: line.slice(2), frame: JSON.parse(line.slice(2)) }));

  for (const { from, text, frame } of examples) {
    it(`are frames: ${from} ${text.slice(0, 60)}`, () => {
      // Exactly: a key that no schema knows would be dropped.
      expect(from === '→' ? parseClientFrame(text) : parseServerFrame(text)).toEqual(frame);
    });
  }

  it('show every type of frame in both directions', () => {
    const shown = (from: string) =>
      [...new Set(examples.filter((e) => e.from === from).map((e) => e.frame.type))].sort();
    expect(shown('→')).toEqual(
      clientFrame.def.options.map((option) => [...option.def.shape.type.def.values][0]).sort(),
    );
    expect(shown('←')).toEqual(Object.keys(serverFrames).sort());
  });
});

const python = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!python)('the Python client of PROTOCOL.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'dlog-python-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('reads the golden frames as they are meant', () => {
    const listing = /```python\n([\s\S]*?)```/.exec(read())?.[1];
    if (listing === undefined) throw new Error('PROTOCOL.md has no Python listing');
    writeFileSync(join(directory, 'client.py'), listing);
    writeFileSync(
      join(directory, 'check.py'),
      `import json, sys, client
golden = json.load(open(sys.argv[1]))
text = lambda field: None if field is None else field.decode()
for batch in golden['batches']:
    if batch['header']['isControl']:
        assert list(client.read_batches(bytes.fromhex(batch['hex']))) == []
        continue
    found = [dict(offset=r['offset'], timestamp=r['timestamp'], timestampType=batch['header']['timestampType'],
                  key=text(r['key']), value=text(r['value']),
                  headers=[dict(key=k, value=text(v)) for k, v in r['headers']])
             for r in client.read_batches(bytes.fromhex(batch['hex']))]
    assert found == batch['records'], (batch['name'], found)
for frame in golden['dataFrames']:
    found = client.read_data_frame(bytes.fromhex(frame['hex']))
    assert found['batches'].hex() == frame['batchesHex'], frame['name']
    for key in ('stream', 'topicId', 'partition', 'nextOffset', 'highWatermark'):
        assert found[key] == frame['frame'][key], (frame['name'], key)
for damage in golden['refused']:
    if damage['step'] == 'crc' or damage['code'] == 'UNSUPPORTED_FOR_MESSAGE_FORMAT':
        try:
            list(client.read_batches(bytes.fromhex(damage['hex'])))
            raise SystemExit('taken: ' + damage['name'])
        except ValueError as error:
            assert damage['code'] in str(error), error
print('all golden frames read')
`,
    );
    const run = spawnSync('python3', ['check.py', fixtures], { cwd: directory, encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.stdout).toBe('all golden frames read\n');
  });
});
