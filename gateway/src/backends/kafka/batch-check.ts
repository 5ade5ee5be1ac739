// What a batch must be before it is sent to a broker. Looks at the header only: the CRC is the broker's to check.
import { type BatchHeader, LogError, readBatchHeader } from 'distributedlog/protocol';

/** Throws CORRUPT_MESSAGE, UNSUPPORTED_FOR_MESSAGE_FORMAT, INVALID_REQUEST, INVALID_TIMESTAMP. */
export function checkBatch(batch: Uint8Array): BatchHeader {
  const header = readBatchHeader(batch, 0);
  if (header === undefined || header.sizeInBytes !== batch.length) {
    const claimed = header === undefined ? 'more' : `${header.sizeInBytes}`;
    throw new LogError('CORRUPT_MESSAGE', `The batch has ${batch.length} bytes; its header says ${claimed}.`);
  }
  if (header.isControl || header.isTransactional) {
    throw new LogError(
      'INVALID_REQUEST',
      'Transactional and control batches are not taken: there are no transactions here.',
    );
  }
  if (header.timestampType !== 'create') {
    throw new LogError(
      'INVALID_TIMESTAMP',
      'The batch says that the log set its timestamps; that is for the log to say.',
    );
  }
  return header;
}
