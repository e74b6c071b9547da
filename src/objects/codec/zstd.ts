/**
 * Zstandard as one frame that says how long its content is, by Node's own library, off the main thread. It stands alone for the
 * bounds: a body that lies about its length may cost no more memory than the block that it is said to be.
 */
import { promisify } from 'node:util';
import { constants, type ZstdOptions, zstdCompress, zstdDecompress } from 'node:zlib';

/** As JuiceFS compresses: the fastest. */
const LEVEL = 1;
/** What a decoder may keep of what it has written, as a power of two: at least this, a level's usual. */
const WINDOW_BITS_MIN = 20;
/** Node takes no less. */
const PIECE_BYTES_MIN = 64;

/** The longest body of so many bytes, by zstd's own rule. */
export function zstdBytesMax(blockBytes: number): number {
  return blockBytes + (blockBytes >>> 8) + (blockBytes < 128 * 1024 ? (128 * 1024 - blockBytes) >>> 11 : 0) + 64;
}

export function zstdEncode(block: Uint8Array): Promise<Uint8Array> {
  return promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress)(block, {
    // A reader makes room by the length in the frame.
    pledgedSrcSize: block.length,
    chunkSize: zstdBytesMax(block.length),
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
  });
}

/** Whether `body` is that of exactly the bytes that `block` has; it is filled then. */
export async function zstdDecode(body: Uint8Array, block: Uint8Array): Promise<boolean> {
  const windowBits = Math.max(WINDOW_BITS_MIN, Math.ceil(Math.log2(block.length)));
  try {
    const found = await promisify<Uint8Array, ZstdOptions, Buffer>(zstdDecompress)(body, {
      maxOutputLength: block.length,
      chunkSize: Math.max(PIECE_BYTES_MIN, block.length),
      params: { [constants.ZSTD_d_windowLogMax]: windowBits },
    });
    // Node itself refuses what stands behind the last frame.
    if (found.length !== block.length) return false;
    block.set(found);
    return true;
  } catch {
    return false;
  }
}
