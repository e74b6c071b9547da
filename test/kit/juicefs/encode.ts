/**
 * JuiceFS's binary values and object names, written out from the facts about the format: an encoder that shares no code
 * with the adapter. Tests build volumes with it; the real program proves it right (test/e2e/juicefs.test.ts).
 */

export interface RawSlice {
  readonly pos: number;
  readonly id: number;
  readonly size: number;
  readonly off: number;
  readonly len: number;
}

const KINDS = { file: 1, directory: 2, symlink: 3 } as const;

export interface RawAttributes {
  readonly kind?: keyof typeof KINDS;
  readonly length?: number;
  readonly nlink?: number;
  readonly parent?: bigint;
  readonly mtimeSeconds?: number;
  readonly mtimeNanoseconds?: number;
  /** Two ACL ids follow. */
  readonly acl?: boolean;
  readonly tier?: number;
}

export function encodeSlice({ pos, id, size, off, len }: RawSlice): Buffer {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, pos);
  view.setBigUint64(4, BigInt(id));
  view.setUint32(12, size);
  view.setUint32(16, off);
  view.setUint32(20, len);
  return Buffer.from(view.buffer);
}

export function encodeAttributes(raw: RawAttributes): Buffer {
  const bytes = 72 + (raw.acl === true ? 8 : 0) + (raw.tier === undefined ? 0 : 1);
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint16(1, KINDS[raw.kind ?? 'file'] * 4096 + 0o644);
  view.setBigInt64(23, BigInt(raw.mtimeSeconds ?? 1_700_000_000));
  view.setUint32(31, raw.mtimeNanoseconds ?? 0);
  view.setUint32(47, raw.nlink ?? 1);
  view.setBigUint64(51, BigInt(raw.length ?? 0));
  view.setBigUint64(63, raw.parent ?? 1n);
  if (raw.tier !== undefined) view.setUint8(bytes - 1, raw.tier);
  return Buffer.from(view.buffer);
}

export function encodeEntry(kind: keyof typeof KINDS, inode: number | bigint): Buffer {
  const view = new DataView(new ArrayBuffer(9));
  view.setUint8(0, KINDS[kind]);
  view.setBigUint64(1, BigInt(inode));
  return Buffer.from(view.buffer);
}

export function encodeDelayed(slices: readonly { readonly id: number; readonly size: number }[]): Buffer {
  const view = new DataView(new ArrayBuffer(12 * slices.length));
  for (const [n, { id, size }] of slices.entries()) {
    view.setBigUint64(12 * n, BigInt(id));
    view.setUint32(12 * n + 8, size);
  }
  return Buffer.from(view.buffer);
}

/** A setting as `juicefs format` writes it, with what the test wants otherwise. */
export function settingJson(name: string, other: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    Name: name,
    UUID: '3c8845e8-007b-4c08-bb1f-fdd288344544',
    Storage: 's3',
    Bucket: 'http://127.0.0.1:1/bucket',
    Tiers: { 0: { ID: 0, StorageClass: '', Tag: '' } },
    BlockSize: 4096,
    Compression: 'none',
    EncryptAlgo: 'aes256gcm-rsa',
    TrashDays: 1,
    MetaVersion: 1,
    MinClientVersion: '1.1.0-A',
    DirStats: true,
    EnableACL: false,
    ...other,
  });
}
