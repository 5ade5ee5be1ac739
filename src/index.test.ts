// What 'distributedlog' is in each runtime. The bundles are made of the build: `npm run build` comes first.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import * as main from './index.ts';
import * as browser from './transport-browser/index.ts';
import * as node from './transport-node/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The files that end up in a bundle of `code`. */
async function bundle(code: string, platform: 'browser' | 'node'): Promise<{ files: string[]; text: string }> {
  const result = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    platform,
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const [output] = Object.values(result.metafile.outputs);
  const files = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return { files: files.map(([name]) => name), text: result.outputFiles[0]?.text ?? '' };
}
const use = `import { Consumer, Producer, Admin, Client } from 'distributedlog'; globalThis.all = [Consumer, Producer, Admin, Client];`;

describe('the entry points', () => {
  it('offer the same in every runtime, but for its transport', () => {
    const names = Object.keys(main);
    expect(names).toEqual(
      expect.arrayContaining(['Consumer', 'Producer', 'Admin', 'Client', 'LogError', 'json', 'acknowledge']),
    );
    expect(Object.keys(node).filter((name) => name !== 'nodeTransport')).toEqual(names);
    expect(Object.keys(browser).filter((name) => name !== 'browserTransport')).toEqual(names);
  });
  it.each([
    ['node', node],
    ['browser', browser],
  ])('need no transport in the %s entry, and its Client makes its own classes', async (_, entry) => {
    await using client = new entry.Client({ bootstrapServers: 'localhost:9' });
    expect(client.consumer()).toBeInstanceOf(entry.Consumer);
    expect(client.producer()).toBeInstanceOf(entry.Producer);
    expect(client.admin()).toBeInstanceOf(entry.Admin);
    for (const Class of [entry.Consumer, entry.Producer, entry.Admin]) await new Class().close();
    // @ts-expect-error not a configuration
    expect(() => new entry.Producer('localhost:9192')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
  });
  it('bring no code of Node into a browser’s bundle', async () => {
    const { files, text } = await bundle(use, 'browser');
    expect(files).toContain('dist/transport-browser/transport.js');
    expect(files.filter((file) => /transport-node|node_modules\/ws\/|isomorphic-ws\/node/.test(file))).toEqual([]);
    expect(text).not.toMatch(/from\s*"node:|require\("/);
  });
  it('dial with ws in a bundle for Node', async () => {
    const { files } = await bundle(use, 'node');
    expect(files).toContain('dist/transport-node/transport.js');
    expect(files.filter((file) => file.includes('transport-browser'))).toEqual([]);
  });
  it('leave out of a bundle what is not used', async () => {
    const { files } = await bundle(`import { LogError } from 'distributedlog'; globalThis.all = LogError;`, 'browser');
    expect(files.filter((file) => file.startsWith('dist/'))).toEqual(['dist/protocol/errors.js']);
  });
});
