/**
 * A CRC32 in the two spellings that S3 requests have: the store's own header, and our metadata. It stands alone because
 * both ways that requests go, and the check of what is read, must spell it alike. It computes no checksum.
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
