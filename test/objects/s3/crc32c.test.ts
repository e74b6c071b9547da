/** The CRC-32C that clients of JuiceFS keep with an object: how it is computed, written and compared, on both ways to a real server. */
import { randomBytes } from 'node:crypto';
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { crc32c } from '../../../src/objects/s3/checksums.ts';
import type { S3ObjectStores } from '../../../src/objects/s3/stores.ts';
import { clientFor } from '../../kit/servers/s3.ts';
import { freshBucket } from '../../setup/isolation.ts';
import { expectBytes, expectFailure, patternBytes } from '../contract.ts';
import { filesystemOn, openStores } from './bench.ts';

/** Bit by bit. */
function slowCrc32c(body: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it('is that of the standard', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });

  it('of any bytes is what it is bit by bit', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 70 }), (body) => {
      expect(crc32c(body)).toBe(slowCrc32c(body));
    });
    fc.assert(property);
  });
});

describe.each(['fast', 'sdk'] as const)('a store by the way %s', (dataPath) => {
  const server = inject('s3');
  const client = clientFor(server);
  let stores: S3ObjectStores;
  let bucket: string;

  beforeAll(async () => {
    bucket = await freshBucket(`crc32c-${dataPath}`);
    stores = openStores(server, { dataPath });
  });

  afterAll(() => {
    stores.close();
    client.destroy();
  });

  it('keeps it with what it writes, for file systems whose clients do', async () => {
    const body = randomBytes(5_001);
    for (const keepsCrc32c of [true, false]) {
      const Key = `kept-${keepsCrc32c}`;
      const store = stores.forFilesystem({ ...filesystemOn(bucket), keepsCrc32c });
      await expect(store.putIfAbsent(Key, body)).resolves.toBe('created');
      const { Metadata } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
      expect(Metadata?.['crc32c']).toBe(keepsCrc32c ? `${slowCrc32c(body)}` : undefined);
      const target = Buffer.alloc(6_000);
      await expect(store.getWhole(Key, target)).resolves.toBe(body.length);
      expectBytes(target.subarray(0, body.length), body);
    }
  });

  it('compares it where a whole object is read: another is damage; what is no number says nothing', async () => {
    const body = patternBytes(3_000);
    const store = stores.forFilesystem(filesystemOn(bucket));
    const kept = { right: `${slowCrc32c(body)}`, wrong: '12345', none: 'it is no number' };
    for (const [Key, value] of Object.entries(kept))
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body, Metadata: { Crc32c: value } }));
    const target = new Uint8Array(4_000);
    for (const name of ['right', 'none']) await expect(store.getWhole(name, target)).resolves.toBe(3_000);
    const failure = await expectFailure(store.getWhole('wrong', target), 'halt', 'object-damaged');
    expect(failure.message).toMatch(/"wrong".*CRC-32C/);
    // A range has none.
    await store.getRange('wrong', 1, target.subarray(0, 2_999));
    expectBytes(target.subarray(0, 2_999), body.subarray(1));
  });
});
