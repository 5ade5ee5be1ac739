// Small parts of Kafka's wire format, for the requests that are written and answers that are read by hand. Knows no API.
import type { Connection, Reader, Writer } from '@platformatic/kafka';
import type { PartitionRef } from 'distributedlog/server';
import type { Send } from './api-family.ts';

/** One version of a request whose body is written and whose answer is read here; `read` gets what was asked, too. */
export function byHand<Args extends unknown[], Answer>(
  key: number,
  version: number,
  write: (...args: Args) => Writer,
  read: (reader: Reader, ...args: Args) => Answer,
): Send<Args, Answer> {
  // Not through `createAPI`: what that makes of each request costs as much as the request.
  return (connection: Connection, ...args) =>
    new Promise((resolve, reject) => {
      connection.send<Answer>(
        key,
        version,
        () => write(...args),
        (_correlationId, _key, _version, reader) => read(reader, ...args),
        true,
        true,
        (error, answer) => {
          if (answer !== undefined && answer !== null) resolve(answer);
          else reject(error ?? new Error(`Request ${key} was answered with nothing.`));
        },
      );
    });
}

/** Of a compact array or compact bytes; −1 for null. */
export function readLength(reader: Reader): number {
  return reader.readUnsignedVarInt() - 1;
}

export function readNumber(reader: Reader): number {
  return Number(reader.readInt64());
}

/** Each says how long it is; none of them is needed. */
export function skipTaggedFields(reader: Reader): void {
  for (let count = reader.readUnsignedVarInt(); count > 0; count--) {
    reader.readUnsignedVarInt();
    const length = reader.readUnsignedVarInt();
    if (length < 0 || length > reader.remaining) throw new RangeError('Out of bounds: a tagged field.');
    reader.skip(length);
  }
}

/** Topics in the order of their first partition, each once. */
export function byTopic<P extends PartitionRef>(partitions: readonly P[]): [topicId: string, P[]][] {
  const topics = new Map<string, P[]>();
  for (const partition of partitions) {
    const of = topics.get(partition.topicId);
    if (of === undefined) topics.set(partition.topicId, [partition]);
    else of.push(partition);
  }
  return [...topics];
}
