/**
 * How the blocks of a volume become objects, as JuiceFS writes them: compressed, or not. The only place that knows which
 * of them there are. It must never answer a block that is not all there, whatever the body is.
 */
import { CompactError } from '../../errors.ts';
import type { BlockCodec } from '../port.ts';
import { lz4BytesMax, lz4Decode, lz4Encode } from './lz4.ts';
import { zstdBytesMax, zstdDecode, zstdEncode } from './zstd.ts';

/** One of the steps from a block to its object. */
interface Packing {
  readonly bytesMax: (blockBytes: number) => number;
  readonly encode: (block: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** `false`: it is not the body of exactly so many bytes. */
  readonly decode: (body: Uint8Array, block: Uint8Array) => boolean | Promise<boolean>;
}

const PACKINGS: Readonly<Record<string, Packing>> = {
  lz4: { bytesMax: lz4BytesMax, encode: lz4Encode, decode: lz4Decode },
  zstd: { bytesMax: zstdBytesMax, encode: zstdEncode, decode: zstdDecode },
};

/** `undefined`: a block is its object. */
export function blockCodec(compression: string): BlockCodec | undefined {
  const packing = PACKINGS[compression];
  if (packing === undefined) return undefined;
  return {
    bodyBytesMax: packing.bytesMax,
    encode: async (block) => packing.encode(block),
    decode: async (body, block) => {
      if (!(await packing.decode(body, block))) throw damaged(`it is not ${block.length} bytes in ${compression}`);
    },
  };
}

function damaged(what: string): CompactError {
  return new CompactError(what, { kind: 'halt', code: 'object-damaged' });
}
