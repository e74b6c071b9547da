/** Faults in how blocks become objects where they are compressed or encrypted, and in what is counted and checked of those. */
import { type Fault, fault } from '../fault.ts';

const LZ4 = 'src/objects/codec/lz4.ts';
const ENCRYPTION = 'src/objects/codec/encryption.ts';
const CODEC = 'src/objects/codec/index.ts';
const ZSTD = 'src/objects/codec/zstd.ts';
const PLAN = 'src/layout/slices/plan.ts';
const MERGE = 'src/compact/merge.ts';

export const CODEC_FAULTS: readonly Fault[] = [
  fault('a damaged lz4 body copies from before the begin of its block', 'I10', {
    file: LZ4,
    edits: [['if (distance === 0 || distance > to ||', 'if (distance === 0 ||']],
  }),
  fault('a damaged lz4 body shows what was in the buffer before', 'I10', {
    file: LZ4,
    edits: [['if (distance === 0 || distance > to ||', 'if (distance > to ||']],
  }),
  fault('an lz4 body that ends too early is a block', 'I10', {
    file: LZ4,
    edits: [['if (at === body.length) return to === block.length;', 'if (at === body.length) return true;']],
  }),
  fault('a match of lz4 goes into the last bytes, which other decoders refuse', 'I1', {
    file: LZ4,
    edits: [['const MATCH_BEGIN_LAST = 12;', 'const MATCH_BEGIN_LAST = 4;']],
  }),
  fault('a zstd body of fewer bytes is a block', 'I10', {
    file: ZSTD,
    edits: [['if (found.length !== block.length) return false;', '']],
  }),
  fault('a small zstd body may cost any memory', 'I8', {
    file: ZSTD,
    edits: [
      ['params: { [constants.ZSTD_d_windowLogMax]: windowBits },', 'params: { [constants.ZSTD_d_windowLogMax]: 31 },'],
    ],
  }),
  fault('an object that was changed is decrypted all the same', 'I10', {
    file: ENCRYPTION,
    edits: [['    opening.final();\n', '']],
  }),
  fault('all objects have one nonce and one key', 'I3', {
    file: ENCRYPTION,
    edits: [
      ['[randomBytes(KEY_BYTES), randomBytes(NONCE_BYTES)]', '[Buffer.alloc(KEY_BYTES), Buffer.alloc(NONCE_BYTES)]'],
    ],
  }),
  fault('an encrypted object of another length is a block', 'I10', {
    file: CODEC,
    edits: [['if (body.length !== block.length) return false;', '']],
  }),
  fault('a wrong passphrase is shown', 'I10', {
    file: ENCRYPTION,
    edits: [
      [
        "unusable('JFS_RSA_PASSPHRASE does not open it'",
        "unusable('JFS_RSA_PASSPHRASE does not open it: ' + passphrase",
      ],
    ],
  }),
  fault('an algorithm that is not known is taken for another', 'I10', {
    file: 'src/compact/slice-refusals.ts',
    edits: [['[!ENCRYPTIONS.has(encryption), ', '[false, ']],
  }),
  fault('blocks of a compressed volume are written as they are', 'I1', {
    file: MERGE,
    edits: [['codec === undefined ? body : await codec.encode(body);', 'body;']],
  }),
  fault('what a decoded block needs is not reserved', 'I8', {
    file: MERGE,
    edits: [['return [body, codecs, codecs, ...coded(scratch), ...atOnce];', 'return [body];']],
  }),
  fault('a whole object is not compared with the CRC-32C that stands with it', 'I10', {
    file: 'src/objects/s3/range-body.ts',
    edits: [
      [
        'if (this.#crc32c === undefined || this.#crc32c === crc32c(body)) return undefined;',
        'if (this.#filled >= 0) return undefined;',
      ],
    ],
  }),
  fault('objects of a JuiceFS volume are written without CRC-32C', 'I10', {
    file: 'src/objects/s3/put-forms.ts',
    edits: [['call.keepsCrc32c ? crc32c(body) : undefined', 'undefined']],
  }),
  fault('of compressed blocks a plan counts only the bytes that are wanted', 'I8', {
    file: PLAN,
    edits: [['cost.readBytes += reads.bytes;', 'cost.readBytes += len;']],
  }),
  fault('objects of a compressed volume are read in parts', 'I1', {
    file: 'src/layout/slices/tasks.ts',
    edits: [['{ source, offset: 0, len: bytes, copies: [] }', '{ source, offset, len, copies: [] }']],
  }),
];
