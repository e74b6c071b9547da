/**
 * The lean signer against the SDK's own: the same Authorization, byte for byte, for any request, credentials and time;
 * and HMAC against node:crypto's. The oracle is @smithy/signature-v4, which shares no code with it.
 */
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeName, HmacKey, RequestSigner, type Signable } from '../../../src/objects/s3/fast-sign.ts';
import { Sha256 } from '../sha256.ts';

const printable = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_./+=:, ;'), minLength: 1, maxLength: 30 });
const value = printable.map((text) => text.trim().replace(/ +/g, ' ')).filter((text) => text !== '');
/** Each is signed by the SDK's signer, too (unlike user-agent or expect). */
const optional = ['content-md5', 'content-type', 'if-none-match', 'range', 'x-amz-checksum-crc32', 'x-amz-meta-a'];
const credentials = fc.record({
  accessKeyId: fc.string({ unit: fc.constantFrom(...'ABCXYZ0189'), minLength: 4, maxLength: 32 }),
  secretAccessKey: fc.string({ minLength: 1, maxLength: 100 }),
});

describe('RequestSigner', () => {
  test("signs what the SDK's signer signs, byte for byte", async () => {
    const requests = fc.record({
      method: fc.constantFrom('GET', 'PUT'),
      name: fc.string({ unit: 'grapheme', maxLength: 40 }),
      bucket: fc.constantFrom('', '/bkt', '/a.b-c'),
      headers: fc.dictionary(fc.constantFrom(...optional), value),
      payload: fc.constantFrom('UNSIGNED-PAYLOAD', createHash('sha256').update('x').digest('hex')),
      token: fc.option(value),
      region: fc.constantFrom('us-east-1', 'eu-south-2', 'default'),
      nowMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
      credentials,
    } as const);
    const property = fc.asyncProperty(requests, async (drawn) => {
      const path = `${drawn.bucket}/${encodeName(drawn.name)}`;
      const signer = new RequestSigner({ region: drawn.region, service: 's3' });
      const date = signer.date(drawn.nowMs);
      const headers: Record<string, string> = {
        ...drawn.headers,
        host: 'gw.example:7480',
        'x-amz-content-sha256': drawn.payload,
        'x-amz-date': date,
        ...(drawn.token === null ? {} : { 'x-amz-security-token': drawn.token }),
      };
      const oracle = new SignatureV4({
        service: 's3',
        region: drawn.region,
        credentials: { ...drawn.credentials, ...(drawn.token === null ? {} : { sessionToken: drawn.token }) },
        sha256: Sha256,
        uriEscapePath: false,
        applyChecksum: false,
      });
      const theirs = await oracle.sign(
        {
          method: drawn.method,
          protocol: 'http:',
          hostname: 'gw.example',
          port: 7480,
          path,
          headers: { ...headers },
        },
        { signingDate: new Date(Math.floor(drawn.nowMs / 1000) * 1000) },
      );
      expect(theirs.headers['x-amz-date']).toBe(date);
      const request: Signable = {
        method: drawn.method,
        path,
        headers: Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)),
        payload: drawn.payload,
      };
      expect(signer.authorization(request, drawn.credentials, date)).toBe(theirs.headers['authorization']);
    });
    await fc.assert(property, { numRuns: 300 });
  });

  test('one signer goes on over midnight and over a change of secret', () => {
    const signer = new RequestSigner({ region: 'r', service: 's3' });
    const request: Signable = { method: 'GET', path: '/', headers: [['host', 'h']], payload: 'p' };
    const of = (by: RequestSigner, nowMs: number, secretAccessKey: string): string =>
      by.authorization(request, { accessKeyId: 'A', secretAccessKey }, by.date(nowMs));
    const moments = [0, 86_399_000, 86_400_000, 86_399_000].flatMap((nowMs) => [
      [nowMs, 'one'] as const,
      [nowMs, 'two'] as const,
    ]);
    for (const [nowMs, secret] of moments) {
      expect(of(signer, nowMs, secret)).toBe(of(new RequestSigner({ region: 'r', service: 's3' }), nowMs, secret));
    }
    expect(new Set(moments.map(([nowMs, secret]) => of(signer, nowMs, secret))).size).toBe(6);
  });
});

test("HmacKey is node:crypto's HMAC-SHA256", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 200 }), fc.string({ maxLength: 200 }), (key, text) => {
    const hmac = new HmacKey(key);
    const expected = createHmac('sha256', key).update(text).digest('hex');
    // Twice: the first leaves its text behind.
    expect([hmac.hex(text), hmac.hex(text)]).toEqual([expected, expected]);
  });
  fc.assert(property);
  expect(() => new HmacKey(new Uint8Array(1)).hex('x'.repeat(1_024))).toThrow(RangeError);
});

test('an encoded name has only unreserved characters and slashes, and decodes to the name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (name) => {
      const encoded = encodeName(name);
      expect(encoded).toMatch(/^(?:[A-Za-z0-9_.~/-]|%[0-9A-F]{2})*$/);
      expect(decodeURIComponent(encoded)).toBe(name);
    }),
  );
  expect(encodeName("a b+c!'()*%/ä")).toBe('a%20b%2Bc%21%27%28%29%2A%25/%C3%A4');
});
