// What decompresses batches beyond the runtime's own gzip, in plain JavaScript. Knows nothing of batches.
import type { Decompress } from '../protocol/compression.ts';
import { lz4 } from './lz4.ts';
import { snappy } from './snappy.ts';
import { zstd } from './zstd.ts';

export type { Decompress, Decompressors } from '../protocol/compression.ts';
export { lz4, snappy, zstd };

/**
 * All of them, for a client's configuration: batches then come as they are stored, rather than decompressed by the gateway.
 *
 * ```ts
 * import { Consumer } from 'distributedlog';
 * import { decompressors } from 'distributedlog/codecs';
 *
 * const consumer = new Consumer({ decompressors });
 * ```
 */
export const decompressors: { readonly snappy: Decompress; readonly lz4: Decompress; readonly zstd: Decompress } = {
  snappy,
  lz4,
  zstd,
};
