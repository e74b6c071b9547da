/** JuiceFS's bytes against an encoder that shares no code with the adapter, and against damage. */
import { createCipheriv, createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fileOf,
  parseAttributes,
  parseDelayed,
  parseEntry,
  parseReferenceField,
  parseSlices,
  parseWalkKey,
} from '../../../src/metadata/juicefs/decode.ts';
import { bucketOf, parseEncryptKey, parseKeys, parseSetting } from '../../../src/metadata/juicefs/setting.ts';
import { encodeAttributes, encodeDelayed, encodeEntry, encodeSlice, settingJson } from '../../kit/juicefs/encode.ts';

const PLACE = { inodeId: 7n, chunkIndex: 3 };

describe('slice records', () => {
  it('are read as they were written', () => {
    const raw = fc
      .tuple(fc.nat({ max: 2 ** 25 }), fc.integer({ min: 1, max: 2 ** 48 }), fc.nat({ max: 2 ** 25 }), fc.nat())
      .chain(([pos, id, off, more]) =>
        fc
          .nat({ max: 2 ** 24 })
          .map((len) => ({ pos, id, off, len, size: Math.min(2 ** 26, off + len + (more % 999)) })),
      );
    fc.assert(
      fc.property(fc.array(raw, { maxLength: 8 }), (slices) => {
        expect(parseSlices(PLACE, slices.map(encodeSlice))).toEqual(
          slices.map(({ pos, id, size, off, len }) => ({ offset: pos, id: BigInt(id), size, from: off, len })),
        );
      }),
    );
  });

  it('that are damaged are reported with inode, chunk and place', () => {
    const good = encodeSlice({ pos: 0, id: 5, size: 10, off: 0, len: 10 });
    const short = good.subarray(0, 23);
    expect(() => parseSlices(PLACE, [good, short])).toThrow(
      'inode 7, chunk 3, record 1: it has 23 bytes instead of 24',
    );
    const beyond = encodeSlice({ pos: 0, id: 5, size: 10, off: 1, len: 10 });
    expect(() => parseSlices({ ...PLACE, position: 1000 }, [beyond])).toThrow('record 1000: it shows 1 bytes beyond');
  });
});

describe('attributes', () => {
  it('are read as they were written, with ACL and tier and without', () => {
    const raw = fc.record({
      length: fc.nat({ max: 2 ** 50 }),
      nlink: fc.nat({ max: 2 ** 31 }),
      parent: fc.bigInt({ min: 0n, max: 2n ** 63n }),
      mtimeSeconds: fc.nat({ max: 2 ** 33 }),
      mtimeNanoseconds: fc.nat({ max: 999_999_999 }),
      acl: fc.boolean(),
      tier: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(raw, ({ tier, ...others }) => {
        const value = encodeAttributes({ ...others, ...(tier === undefined ? {} : { tier }) });
        expect(parseAttributes(1n, value)).toEqual({
          type: 'file',
          length: others.length,
          nlink: others.nlink,
          parent: others.parent,
          mtimeMs: others.mtimeSeconds * 1000 + Math.floor(others.mtimeNanoseconds / 1e6),
        });
      }),
    );
  });

  it('tell where a file is', () => {
    const state = (raw: Parameters<typeof encodeAttributes>[0], trashed = false) =>
      fileOf(9n, parseAttributes(9n, encodeAttributes(raw)), trashed)?.state;
    expect(state({})).toBe('live');
    expect(state({ nlink: 0 })).toBe('unlinked');
    expect(state({ parent: 0x7fff_ffff_1000_0001n })).toBe('trash');
    expect(state({ parent: 0n })).toBe('live');
    expect(state({ parent: 0n }, true)).toBe('trash');
    expect(state({ kind: 'directory' })).toBeUndefined();
  });

  it('that are damaged are refused by inode', () => {
    expect(() => parseAttributes(9n, encodeAttributes({}).subarray(0, 71))).toThrow('inode 9 have 71 bytes');
    expect(() => parseAttributes(9n, Buffer.alloc(72))).toThrow('inode 9 name a kind of inode that does not exist (0)');
    const long = encodeAttributes({});
    long.writeBigUInt64BE(2n ** 60n, 51);
    expect(() => parseAttributes(9n, long)).toThrow('name a length of 1152921504606846976 bytes');
  });
});

describe('the other values', () => {
  it('are read as they were written', () => {
    expect(parseEntry(encodeEntry('directory', 42))).toEqual({ type: 'directory', inodeId: 42n });
    expect(parseEntry(Buffer.alloc(8))).toBeNull();
    const slices = [
      { id: 77, size: 5 },
      { id: 2 ** 40, size: 2 ** 26 },
    ];
    expect(parseDelayed('99_1700000000', encodeDelayed(slices))).toEqual({
      sinceMs: 1_700_000_000_000,
      slices: slices.map(({ id, size }) => ({ id: BigInt(id), size })),
    });
    expect(parseDelayed('99', encodeDelayed(slices))).toBeNull();
    expect(parseDelayed('99_1', Buffer.alloc(13))).toBeNull();
    expect(parseReferenceField('k12_4096')).toEqual({ id: 12n, size: 4096 });
    expect(parseReferenceField('k12')).toBeNull();
  });

  it('keys of a walk are told from all others', () => {
    expect(parseWalkKey('i12')).toEqual({ inodeId: 12n, chunkIndex: null });
    expect(parseWalkKey('c12_0')).toEqual({ inodeId: 12n, chunkIndex: 0 });
    for (const other of ['i', 'i12_1', 'c12', 'c12_', 'c1_2_3', 'i012', 'index', 'c99999999999999999999_0'])
      expect(parseWalkKey(other), other).toBeNull();
  });
});

/** As JuiceFS keeps secrets in a setting. */
function sealed(text: string): string {
  const uuid = '3c8845e8-007b-4c08-bb1f-fdd288344544';
  const nonce = Buffer.from('0102030405060708090a0b0c', 'hex');
  const cipher = createCipheriv('aes-128-gcm', createHash('md5').update(uuid).digest(), nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

describe('the setting', () => {
  it('gives the geometry and no secret', () => {
    const text = settingJson('vol', { AccessKey: 'who', SecretKey: 'hunter2', HashPrefix: true, Compression: 'lz4' });
    const setting = parseSetting(text);
    expect(setting).toMatchObject({
      volume: 'vol',
      blockSize: 4 << 20,
      hashPrefix: true,
      wholeObjects: true,
      tiers: 0,
    });
    expect(JSON.stringify(setting)).not.toContain('hunter2');
    expect(parseKeys(text)).toEqual({ accessKeyId: 'who', secretAccessKey: 'hunter2' });
    expect(parseKeys(settingJson('vol'))).toBeNull();
  });

  it('gives keys that are sealed with its own id', () => {
    const keys = {
      AccessKey: 'who',
      SecretKey: sealed('hunter2'),
      SessionToken: sealed('passing'),
      KeyEncrypted: true,
    };
    expect(parseKeys(settingJson('vol', keys))).toEqual({
      accessKeyId: 'who',
      secretAccessKey: 'hunter2',
      sessionToken: 'passing',
    });
    const removed = { ...keys, SecretKey: 'removed' };
    expect(() => parseKeys(settingJson('vol', removed))).toThrow('SecretKey cannot be decrypted');
  });

  it('gives the key of its objects, sealed or not, and how they are encrypted', () => {
    const key = 'BEGIN hunter2 END';
    const plain = settingJson('vol', { EncryptKey: key, EncryptAlgo: 'chacha20-rsa' });
    expect(parseEncryptKey(plain)).toBe(key);
    expect(parseSetting(plain)).toMatchObject({ encryption: 'chacha20-rsa', wholeObjects: true });
    expect(JSON.stringify(parseSetting(plain))).not.toContain('hunter2');
    expect(parseEncryptKey(settingJson('vol', { EncryptKey: sealed(key), KeyEncrypted: true }))).toBe(key);
    // JuiceFS writes the algorithm of volumes that are not encrypted, too.
    expect(parseSetting(settingJson('vol'))).toMatchObject({ encryption: 'none', wholeObjects: false });
    expect(parseEncryptKey(settingJson('vol'))).toBeNull();
    expect(parseSetting(settingJson('vol', { EncryptKey: key, EncryptAlgo: '' })).encryption).toBe('aes256gcm-rsa');
    const damaged = settingJson('vol', { EncryptKey: 'hunter2', KeyEncrypted: true });
    expect(() => parseEncryptKey(damaged)).toThrow(/^(?!.*hunter2).*EncryptKey cannot be decrypted/);
  });

  it('gives the storage class of its objects: that of the usual tier, else the one that older clients know', () => {
    const classOf = (other: Readonly<Record<string, unknown>>) =>
      parseSetting(settingJson('vol', other)).store?.storageClass;
    const usual = { 0: { ID: 0, StorageClass: 'GLACIER_IR', Tag: '' } };
    expect(classOf({})).toBeUndefined();
    expect(classOf({ StorageClass: 'STANDARD_IA', Tiers: undefined })).toBe('STANDARD_IA');
    expect(classOf({ StorageClass: 'STANDARD_IA', Tiers: null })).toBe('STANDARD_IA');
    // As after "juicefs config --storage-class ''".
    expect(classOf({ StorageClass: 'STANDARD_IA' })).toBeUndefined();
    expect(classOf({ StorageClass: 'STANDARD_IA', Tiers: usual })).toBe('GLACIER_IR');
    expect(() => classOf({ Tiers: null, StorageClass: 'a\r\nb: c' })).toThrow('StorageClass is no name of a class');
    const tagged = { 0: { ID: 0, StorageClass: '', Tag: 'team=a' } };
    for (const [Tiers, tiers] of [
      [usual, 0],
      [tagged, 1],
      [{ ...usual, 1: { ID: 1 } }, 1],
    ] as const)
      expect(parseSetting(settingJson('vol', { Tiers })).tiers).toBe(tiers);
  });

  it('that is damaged is refused without its content', () => {
    expect(() => parseSetting('{"SecretKey": "hunter2"')).toThrow(/^(?!.*hunter2).*it is no JSON/);
    expect(() => parseSetting('[]')).toThrow('it is no JSON object');
    expect(() => parseSetting(settingJson('vol', { BlockSize: 0 }))).toThrow('BlockSize');
    expect(() => parseSetting(settingJson('vol', { UUID: '' }))).toThrow('Name or UUID is missing');
    expect(() => parseSetting(settingJson('vol', { TrashDays: '1' }))).toThrow('TrashDays is no count');
  });

  it('names its bucket in all forms that JuiceFS takes', () => {
    const forms = {
      'http://127.0.0.1:9000/jfs': { bucket: 'jfs', endpoint: 'http://127.0.0.1:9000' },
      'https://jfs.oss.example.com': { bucket: 'jfs', endpoint: 'https://oss.example.com' },
      'jfs.oss.example.com:8080': { bucket: 'jfs', endpoint: 'http://oss.example.com:8080' },
      'https://jfs.s3.eu-west-1.amazonaws.com': { bucket: 'jfs', region: 'eu-west-1' },
      'https://my.jfs.s3-eu-west-1.amazonaws.com': { bucket: 'my.jfs', region: 'eu-west-1' },
      'https://jfs.s3.amazonaws.com': { bucket: 'jfs' },
      'https://s3.eu-west-1.amazonaws.com/jfs': { bucket: 'jfs', region: 'eu-west-1' },
      'https://jfs': { bucket: 'jfs' },
    };
    for (const [address, place] of Object.entries(forms))
      expect(bucketOf(address), address).toEqual({ ...place, keepsCrc32c: true });
    for (const [query, keepsCrc32c] of [
      ['disable-checksum=true', false],
      ['disable-checksum=false', true],
      ['a=b', true],
    ] as const)
      expect(bucketOf(`http://127.0.0.1:9000/jfs?${query}`), query).toEqual({
        bucket: 'jfs',
        endpoint: 'http://127.0.0.1:9000',
        keepsCrc32c,
      });
    expect(bucketOf('ftp://example.com/jfs')).toBeNull();
    expect(parseSetting(settingJson('vol', { Storage: 'file', Bucket: '/var/jfs/' })).store).toBeNull();
    expect(parseSetting(settingJson('vol', { Shards: 4 })).store).toBeNull();
  });
});
