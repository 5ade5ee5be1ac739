// Batches as librdkafka compressed them, read by a page: it decompresses them itself where it can, else the gateway does.
import { readFileSync } from 'node:fs';
import { encodeProduceFrame, PROTOCOL_NAME } from 'distributedlog/protocol';
import { WebSocket } from 'ws';
import { sampleText } from '../src/codecs/sample.test-support.ts';
import { expectEachOnce, waitForTotal } from './support/reader.ts';
import { expect, test } from './support/test.ts';

const CODECS = ['snappy', 'lz4', 'zstd'] as const;
const RECORDS_PER_BATCH = 1_500;
const LAST = 'last';

/** Appends the batches as they are: our own producers write none of these codecs. */
async function append(url: string, topicId: string, batches: readonly Uint8Array[]): Promise<void> {
  const socket = new WebSocket(url, PROTOCOL_NAME);
  const reply = () =>
    new Promise<{ type: string }>((resolve, reject) => {
      socket.once('message', (text) => resolve(JSON.parse(text.toString())));
      socket.once('error', reject);
    });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send(JSON.stringify({ type: 'hello', versions: [1] }));
  expect(await reply()).toMatchObject({ type: 'welcome' });
  for (const [i, batch] of batches.entries()) {
    socket.send(encodeProduceFrame(i + 1, topicId, 0, batch));
    expect(await reply()).toMatchObject({ type: 'produce', id: i + 1 });
  }
  socket.close();
}

for (const { who, query } of [
  { who: 'a page that has the codecs', query: '&codecs=all' },
  { who: 'the gateway, for a page that has none', query: '' },
]) {
  test(`snappy, lz4 and zstd are decompressed by ${who}`, async ({ gateway, client, openPage, page }) => {
    await client.admin().createTopic({ name: 'packed' });
    const [topic] = await client.admin().listTopics();
    const batches = CODECS.map(
      (codec) => new Uint8Array(readFileSync(new URL(`../src/codecs/fixtures/kcat-${codec}.batch`, import.meta.url))),
    );
    await append(gateway.url, topic?.topicId ?? '', batches);
    await client.producer().send({ topic: 'packed', value: LAST });
    let received = 0;
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        received += payload.length;
      }),
    );
    await openPage('reader', { query: `?topic=packed&from=earliest${query}` });
    const count = CODECS.length * RECORDS_PER_BATCH + 1;
    await waitForTotal(page, count);
    await expectEachOnce(page, count);
    const { first, last } = await page.evaluate(() => window.seen);
    expect({ first: JSON.parse(first ?? ''), last }).toMatchObject({ first: { id: 0, user: 'user-271' }, last: LAST });
    const packedBytes = batches.reduce((sum, batch) => sum + batch.length, 0);
    const plainBytes = CODECS.length * sampleText().length;
    expect(received).toBeGreaterThan(query === '' ? plainBytes : packedBytes);
    expect(received).toBeLessThan(query === '' ? 2 * plainBytes : 2 * packedBytes);
  });
}
