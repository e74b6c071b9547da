/**
 * A CRC32 in the two spellings that S3 requests have, the store's own header and our metadata, and the CRC-32C that clients of
 * JuiceFS keep with an object. It stands alone because both ways that requests go, and the check of what is read, must have
 * them alike. Node computes the one; of the other it has none, and the SDK's answers late.
 */

/** The four bytes of x-amz-checksum-crc32, most significant first. */
export function crc32Base64(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}

/** Eight hexadecimal digits. */
export function crc32Hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/** User metadata with the CRC-32C of the stored body, in decimal. */
export const CRC32C_METADATA = 'crc32c';

/** Castagnoli's polynomial, reflected. */
const CRC32C_POLYNOMIAL = 0x82f63b78;
/** What a byte contributes when so many more follow it in one step. */
const [T0, T1, T2, T3] = tables();

function tables(): readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
    return crc;
  });
  const after = (table: Uint32Array): Uint32Array => table.map((crc) => (crc >>> 8) ^ (first[crc & 255] ?? 0));
  const second = after(first);
  const third = after(second);
  return [first, second, third, after(third)];
}

/** Unsigned. Four bytes in a step, since every PUT waits for it. */
export function crc32c(body: Uint8Array): number {
  let crc = -1;
  let at = 0;
  for (; at <= body.length - 4; at += 4) {
    crc ^= (body[at] ?? 0) | ((body[at + 1] ?? 0) << 8) | ((body[at + 2] ?? 0) << 16) | ((body[at + 3] ?? 0) << 24);
    crc = (T3[crc & 255] ?? 0) ^ (T2[(crc >>> 8) & 255] ?? 0) ^ (T1[(crc >>> 16) & 255] ?? 0) ^ (T0[crc >>> 24] ?? 0);
  }
  for (; at < body.length; at++) crc = (crc >>> 8) ^ (T0[(crc ^ (body[at] ?? 0)) & 255] ?? 0);
  return (crc ^ -1) >>> 0;
}
