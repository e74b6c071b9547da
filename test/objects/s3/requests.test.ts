/**
 * The S3 adapter's writes and deletes as a server sees them: what is sent, what each answer means, and what is done
 * where the server lacks the condition or the batch. After every test no socket may be left.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { expectBytes, expectFailure, patternBytes } from '../contract.ts';
import { ACCESS_KEY, BUCKET, DATA_PATHS, SECRET, useFaultBench } from '../fault-bench.ts';
import { sendDeleted, sendError, sendStored } from '../fault-server.ts';
import { filesystemOn } from './bench.ts';

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });

  describe('writes', () => {
    test('a put is one request with a length, a CRC32, our metadata, the condition, and no hash of the body', async () => {
      bench().server.answer((_request, response) => sendStored(response));
      const body = patternBytes(3_000_000);
      await expect(bench().open().putIfAbsent('fresh', body)).resolves.toBe('created');
      expect(bench().server.seen).toHaveLength(1);
      const { headers, body: sent } = bench().firstSeen();
      expectBytes(sent, body);
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32BE(crc32(body));
      expect(headers).toMatchObject({
        'content-length': '3000000',
        'if-none-match': '*',
        'x-amz-checksum-crc32': checksum.toString('base64'),
        'x-amz-meta-s3compact-crc32': crc32(body).toString(16).padStart(8, '0'),
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      });
      expect(headers['expect']).toBeUndefined();
      expect(headers['transfer-encoding']).toBeUndefined();
      // The CRC32 stands in for the hash of the body, so the signature must cover it.
      expect(headers.authorization).toMatch(/SignedHeaders=[^,]*if-none-match[^,]*x-amz-checksum-crc32/);
    });

    test('a put names the storage class of a file system that has one, and signs it', async () => {
      bench().server.answer((_request, response) => sendStored(response));
      const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET, sessionToken: 'passing' };
      const stores = bench().openStores({ credentials });
      for (const other of [{ storageClass: 'STANDARD_IA' }, {}])
        await stores.forFilesystem({ ...filesystemOn(BUCKET), ...other }).putIfAbsent('fresh', patternBytes(5));
      const [classed, plain] = bench().server.seen.map(({ headers }) => headers);
      expect(classed?.['x-amz-storage-class']).toBe('STANDARD_IA');
      expect(plain?.['x-amz-storage-class']).toBeUndefined();
      const [, signed = ''] = /SignedHeaders=([^,]*)/.exec(classed?.authorization ?? '') ?? [];
      expect(signed.split(';')).toContain('x-amz-storage-class');
      expect(signed.split(';')).toEqual(signed.split(';').toSorted());
    });

    test('a storage class that the server does not have ends the run at once', async () => {
      bench().server.answer((_request, response) => sendError(response, 400, 'InvalidStorageClass'));
      const store = bench()
        .openStores()
        .forFilesystem({ ...filesystemOn(BUCKET), storageClass: 'NONE' });
      await expectFailure(store.putIfAbsent('fresh', patternBytes(5)), 'halt', 'store-refused');
      expect(bench().server.seen).toHaveLength(1);
    });

    test('412 is exists', async () => {
      bench().server.answer((_request, response) => sendError(response, 412, 'PreconditionFailed'));
      await expect(bench().open().putIfAbsent('taken', patternBytes(1))).resolves.toBe('exists');
    });

    test('409 ConditionalRequestConflict is to be repeated', async () => {
      bench().server.answer((_request, response) => sendError(response, 409, 'ConditionalRequestConflict'));
      await expectFailure(bench().open().putIfAbsent('raced', patternBytes(1)), 'retry', 'store-unavailable');
    });

    test('a server without If-None-Match gets puts without it, is remembered, and hears of once', async () => {
      bench().server.answer((request, response) => {
        if (request.headers['if-none-match'] !== undefined) return sendError(response, 501, 'NotImplemented');
        sendStored(response);
      });
      const store = bench().open();
      for (const name of ['a', 'b', 'c'])
        await expect(store.putIfAbsent(name, patternBytes(1))).resolves.toBe('created');
      expect(bench().server.seen.map((request) => request.headers['if-none-match'])).toEqual([
        '*',
        '*',
        '*',
        undefined,
        undefined,
        undefined,
      ]);
      expect(bench().logged).toHaveLength(1);
      expect(bench().logged[0]).toContain('If-None-Match');
    });
  });

  describe('deletes', () => {
    test('a batch is one request that asks for every name, with Content-MD5 and CRC32', async () => {
      bench().server.answer((request, response) => sendDeleted(request, response));
      await expect(bench().open().delete(['a', 'b/c'])).resolves.toEqual([]);
      expect(bench().server.seen).toHaveLength(1);
      const { headers, body, url } = bench().firstSeen();
      expect(url).toMatch(/[?&]delete/);
      expect(body.toString()).toMatch(/<Key>a<\/Key>.*<Key>b\/c<\/Key>/);
      expect(body.toString()).not.toContain('<Quiet>true');
      expect(headers['content-md5']).toBe(createHash('md5').update(body).digest('base64'));
      expect(headers['x-amz-checksum-crc32']).toBeDefined();
    });

    test('failures of single names are returned, but for missing ones', async () => {
      bench().server.answer((request, response) =>
        sendDeleted(request, response, { a: 'AccessDenied', b: 'NoSuchKey' }),
      );
      await expect(bench().open().delete(['a', 'b', 'c'])).resolves.toEqual([{ name: 'a', code: 'AccessDenied' }]);
      expect(bench().server.seen).toHaveLength(1);
    });

    test('a name that the answer does not speak of is deleted by itself, and a name that was not asked for is nothing', async () => {
      bench().server.answer((request, response) => {
        if (request.method === 'DELETE') response.writeHead(204).end();
        else
          response
            .writeHead(200)
            .end(
              '<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>z</Key><Code>X</Code></Error></DeleteResult>',
            );
      });
      await expect(bench().open().delete(['a', 'b'])).resolves.toEqual([]);
      expect(bench().server.seen.map(({ method, url }) => `${method} ${url.split('?')[0]}`)).toEqual([
        expect.stringMatching(/^POST/),
        'DELETE /bkt/b',
      ]);
    });

    test('an answer that is no XML is not taken for a success', async () => {
      bench().server.answer((_request, response) => response.writeHead(200).end('<html><body>welcome to the proxy'));
      await expectFailure(bench().open().delete(['a']), 'retry', 'store-unavailable');
    });

    test.each([
      [501, 'NotImplemented'],
      [405, 'MethodNotAllowed'],
      [400, 'MalformedXML'],
      [400, 'MissingContentMD5'],
    ])(
      'a server that answers a batch with %i %s gets single deletes, few at a time, and is remembered',
      async (status, code) => {
        let inFlight = 0;
        let inFlightMax = 0;
        bench().server.answer((request, response) => {
          if (request.method === 'POST') return sendError(response, status, code);
          inFlight++;
          inFlightMax = Math.max(inFlightMax, inFlight);
          setImmediate(() => {
            inFlight--;
            if (request.url.startsWith('/bkt/gone')) sendError(response, 404, 'NoSuchKey');
            else if (request.url.startsWith('/bkt/kept')) sendError(response, 403, 'AccessDenied');
            else response.writeHead(204).end();
          });
        });
        const store = bench().open();
        const names = ['gone', 'kept', ...Array.from({ length: 98 }, (_, i) => `n${i}`)];
        await expect(store.delete(names)).resolves.toEqual([{ name: 'kept', code: 'AccessDenied' }]);
        await expect(store.delete(['more'])).resolves.toEqual([]);
        // With a checksum header and without; then none.
        expect(bench().server.seen.filter((request) => request.method === 'POST')).toHaveLength(2);
        expect(bench().server.seen.filter((request) => request.method === 'DELETE')).toHaveLength(101);
        expect(inFlightMax).toBeLessThanOrEqual(16);
        expect(bench().logged).toHaveLength(1);
      },
    );

    test('a store that breaks down among single deletes ends them all', async () => {
      bench().server.answer((request, response) => {
        if (request.method === 'POST') return sendError(response, 501, 'NotImplemented');
        sendError(response, 503, 'SlowDown');
      });
      const names = Array.from({ length: 200 }, (_, i) => `n${i}`);
      await expectFailure(bench().open().delete(names), 'retry', 'store-unavailable');
      expect(bench().server.seen.length).toBeLessThan(50);
    });
  });
});
