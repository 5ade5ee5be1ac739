// What the gateway decompresses on behalf of clients that cannot: the runtime's own where it is as good, ours for the rest. Knows nothing of batches.
import * as zlib from 'node:zlib';
import { decompressors as portable } from 'distributedlog/codecs';
import { type Decompress, type Decompressors, LogError } from 'distributedlog/protocol';

type Inflate = (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
  done: (error: NodeJS.ErrnoException | null, plain: Uint8Array) => void,
) => void;

/** In the thread pool of Node, so that nobody waits for it. */
function inThreadPool(inflate: Inflate): Decompress {
  return (compressed, maxBytes) =>
    new Promise((resolve, reject) => {
      // Node takes no limit of 0, nor one beyond the largest buffer; what comes out is measured once more by who asked.
      const maxOutputLength = Math.min(Math.max(maxBytes, 1), 2 ** 31 - 1);
      inflate(compressed, { maxOutputLength }, (error, plain) => {
        if (error === null) resolve(plain);
        else if (error.code === 'ERR_BUFFER_TOO_LARGE') {
          reject(new LogError('RECORD_TOO_LARGE', `more than ${maxBytes} bytes would come out`));
        } else reject(error);
      });
    });
}

/**
 * Only newer versions of Node have it, and the types of older ones do not. It does not mind an end that is missing: then there are too few
 * bytes for the records of the batch, which its reader says.
 */
const nativeZstd: unknown = Reflect.get(zlib, 'zstdDecompress');

export const decompressors: Decompressors = {
  ...portable,
  zstd: typeof nativeZstd === 'function' ? inThreadPool(nativeZstd as Inflate) : portable.zstd,
};
