/**
 * How the blocks of a volume become objects, as JuiceFS writes them: compressed, then encrypted, each or neither. The only
 * place that knows which forms there are. It must never answer a block that is not all there, whatever the body is.
 */
import { CompactError } from '../../errors.ts';
import type { BlockCodec } from '../port.ts';
import { type Encryption, type EncryptionKey, openEncryption } from './encryption.ts';
import { lz4BytesMax, lz4Decode, lz4Encode } from './lz4.ts';
import { zstdBytesMax, zstdDecode, zstdEncode } from './zstd.ts';

export type { EncryptionKey } from './encryption.ts';

interface Packing {
  readonly bytesMax: (blockBytes: number) => number;
  readonly encode: (block: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** `false`: it is not the body of exactly so many bytes. */
  readonly decode: (body: Uint8Array, block: Uint8Array) => boolean | Promise<boolean>;
}

const PLAIN: Packing = { bytesMax: (bytes) => bytes, encode: (block) => block, decode: copied };
const OPEN: Encryption = { overheadBytes: 0, encrypt: (plain) => plain, decrypt: (body) => body };
const PACKINGS: Readonly<Record<string, Packing>> = {
  lz4: { bytesMax: lz4BytesMax, encode: lz4Encode, decode: lz4Decode },
  zstd: { bytesMax: zstdBytesMax, encode: zstdEncode, decode: zstdDecode },
};

/** `undefined`: a block is its object. Throws where the key cannot be used, as `openEncryption`. */
export function blockCodec(compression: string, key?: EncryptionKey): BlockCodec | undefined {
  const packing = PACKINGS[compression] ?? PLAIN;
  const encryption = key === undefined ? OPEN : openEncryption(key);
  if (packing === PLAIN && encryption === OPEN) return undefined;
  return {
    bodyBytesMax: (bytes) => packing.bytesMax(bytes) + encryption.overheadBytes,
    encode: async (block) => encryption.encrypt(await packing.encode(block)),
    decode: async (body, block) => {
      const packed = encryption.decrypt(body);
      if (packed === null) throw damaged('it cannot be decrypted');
      if (await packing.decode(packed, block)) return;
      throw damaged(`it is not ${block.length} bytes in ${compression === 'none' ? 'plain form' : compression}`);
    },
  };
}

function copied(body: Uint8Array, block: Uint8Array): boolean {
  if (body.length !== block.length) return false;
  block.set(body);
  return true;
}

function damaged(what: string): CompactError {
  return new CompactError(what, { kind: 'halt', code: 'object-damaged' });
}
