/**
 * What failures of the store mean: the table of codes, the sentences, and that no secret is in them; and which client
 * a file system gets. After every test no socket may be left.
 */
import type { IncomingMessage } from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import { classifyError } from '../../../src/objects/s3/errors.ts';
import { S3ObjectStores } from '../../../src/objects/s3/stores.ts';
import { expectFailure, patternBytes } from '../contract.ts';
import { ACCESS_KEY, BUCKET, DATA_PATHS, SECRET, useFaultBench } from '../fault-bench.ts';
import { sendError, sendStored, startFaultServer } from '../fault-server.ts';
import { filesystemOn } from './bench.ts';

/** The time that a request was signed with. */
function signedMs(request: Pick<IncomingMessage, 'headers'> | undefined): number {
  return Date.parse(`${request?.headers['x-amz-date']}`.replace(/(....)(..)(..T..)(..)/, '$1-$2-$3:$4:'));
}

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });

  describe('refusals', () => {
    test.each([
      [500, 'InternalError', 'retry', 'store-unavailable'],
      [503, 'SlowDown', 'retry', 'store-unavailable'],
      [429, 'TooManyRequests', 'retry', 'store-unavailable'],
      [400, 'RequestTimeout', 'retry', 'store-unavailable'],
      [403, 'AccessDenied', 'halt', 'access-denied'],
      [403, 'InvalidAccessKeyId', 'halt', 'access-denied'],
      [403, 'SignatureDoesNotMatch', 'halt', 'access-denied'],
      [400, 'ExpiredToken', 'halt', 'access-denied'],
      [404, 'NoSuchBucket', 'halt', 'bucket-missing'],
      [403, 'QuotaExceeded', 'halt', 'store-refused'],
      [301, 'PermanentRedirect', 'halt', 'store-refused'],
      [400, 'InvalidArgument', 'halt', 'store-refused'],
      [400, 'constructor', 'halt', 'store-refused'],
    ] as const)('%i %s is %s, %s', async (status, code, kind, expected) => {
      bench().server.answer((_request, response) => sendError(response, status, code));
      const failure = await expectFailure(bench().open().putIfAbsent('refused', patternBytes(1)), kind, expected);
      expect(failure.message).toMatch(
        /^Writing object "refused" \(1 bytes\) in bucket "bkt" at 127\.0\.0\.1:\d+ failed: .*\.$/,
      );
      expect(failure.cause).toBeInstanceOf(Error);
      expect(failure.message).toContain(`answered ${status} ${code} ("told by the test")`);
      // A 400 of the kind that may be about the form is asked again in other forms.
      expect(bench().server.seen).toHaveLength(status === 400 && expected === 'store-refused' ? 5 : 1);
    });

    test.each([
      [301, 'store-refused', 'the bucket is in another region'],
      [400, 'store-refused', 'the keys have expired or are unknown'],
      [401, 'access-denied', 'the store wants other keys'],
      [403, 'access-denied', 'the keys may not do this'],
    ] as const)('a refused HEAD, which has no words, says what %i means', async (status, code, meaning) => {
      bench().server.answer((_request, response) => response.writeHead(status).end());
      const { message } = await expectFailure(bench().open().head('x'), 'halt', code);
      expect(message).toContain(`the server answered ${status}: ${meaning}`);
    });

    test('a page that is not found says that there may be no S3', async () => {
      bench().server.answer((_request, response) => response.writeHead(404).end('<html>none</html>'));
      const { message } = await expectFailure(bench().open().head('x'), 'halt', 'store-refused');
      expect(message).toContain('the server answered 404: there is no such bucket, or nothing of S3 at this address');
    });

    test('neither message nor cause of a refusal holds a key, a secret or a signature', async () => {
      const text = `<Error><Code>SignatureDoesNotMatch</Code><Message>key ${ACCESS_KEY} is wrong</Message><AWSAccessKeyId>${ACCESS_KEY}</AWSAccessKeyId></Error>`;
      bench().server.answer((_request, response) => response.writeHead(403).end(text));
      const failure = await expectFailure(bench().open().head('x'), 'halt', 'access-denied');
      const getFailure = await expectFailure(
        bench().open().getRange('x', 0, new Uint8Array(1)),
        'halt',
        'access-denied',
      );
      for (const { message, stack, cause } of [failure, getFailure]) {
        const told = `${message} ${stack} ${String(cause)} ${JSON.stringify(cause)} ${cause instanceof Error ? cause.stack : ''}`;
        for (const secret of [ACCESS_KEY, SECRET, 'Signature=']) expect(told).not.toContain(secret);
      }
    });

    test('a clock that is wrong is corrected by the refusal: the next try is signed with the time of the server', async () => {
      const serverDate = new Date(Date.now() + 3_600_000);
      bench().server.answer((_request, response, index) => {
        response.setHeader('date', serverDate.toUTCString());
        if (index === 0) return sendError(response, 403, 'RequestTimeTooSkewed');
        sendStored(response);
      });
      const store = bench().open();
      await expectFailure(store.putIfAbsent('x', patternBytes(1)), 'retry', 'store-unavailable');
      await expect(store.putIfAbsent('x', patternBytes(1))).resolves.toBe('created');
      const hour = serverDate.toISOString().slice(0, 13).replace(/-/g, '');
      expect(bench().server.seen[1]?.headers['x-amz-date']).toMatch(new RegExp(`^${hour}`));
    });

    test('a HEAD, which is refused without a word, corrects a wrong clock, too, with all that are under way', async () => {
      const both = Promise.withResolvers<void>();
      bench().server.answer(async (request, response, index) => {
        if (index === 1) both.resolve();
        await both.promise;
        const serverMs = Date.now() + 3_600_000;
        const isRight = Math.abs(signedMs(request) - serverMs) < 15 * 60_000;
        const headers = { date: new Date(serverMs).toUTCString(), etag: '"x"', 'content-length': 4 };
        response.writeHead(isRight ? 200 : 403, headers).end();
      });
      const store = bench().open();
      const refused = await Promise.all(
        ['x', 'y'].map((name) => expectFailure(store.head(name), 'retry', 'store-unavailable')),
      );
      for (const { message } of refused) expect(message).toMatch(/403, and its clock is \d+ minutes away from ours/);
      await expect(store.head('x')).resolves.toEqual({ bytes: 4 });
      expect(bench().server.seen).toHaveLength(3);
    });

    test.each([
      ['by more than S3 allows, and that is corrected', 3_600_000, 'retry', 'store-unavailable'],
      ['by less than S3 allows', 14 * 60_000, 'halt', 'access-denied'],
    ] as const)('a HEAD that may not be is refused, though the clock is wrong %s', async (_, awayMs, kind, code) => {
      bench().server.answer((_request, response) => {
        response.writeHead(403, { date: new Date(Date.now() + awayMs).toUTCString() }).end();
      });
      const store = bench().open();
      await expectFailure(store.head('x'), kind, code);
      await expectFailure(store.head('x'), 'halt', 'access-denied');
    });

    describe('where a cache adds how old its answer is (Age)', () => {
      const HOUR_S = 3_600;
      /** Headers of an answer that has lain for an hour, by a server whose clock is so much ahead of ours. */
      const lain = (aheadMs: number) => ({
        date: new Date(Date.now() + aheadMs - HOUR_S * 1_000).toUTCString(),
        age: String(HOUR_S),
      });

      test.each(['head', 'putIfAbsent'] as const)(
        'a wrong clock is corrected by what is refused, too: %s',
        async (call) => {
          const aheadMs = 5 * HOUR_S * 1_000;
          bench().server.answer((request, response, index) => {
            for (const [name, value] of Object.entries(lain(aheadMs))) response.setHeader(name, value);
            if (index > 0 && request.method === 'HEAD')
              return response.writeHead(200, { etag: '"x"', 'content-length': 4 }).end();
            if (index > 0) return sendStored(response);
            if (request.method === 'PUT') return sendError(response, 403, 'RequestTimeTooSkewed');
            response.writeHead(403).end();
          });
          const store = bench().open();
          const send = () => (call === 'head' ? store.head('x') : store.putIfAbsent('x', patternBytes(1)));
          await expectFailure(send(), 'retry', 'store-unavailable');
          await send();
          expect(Math.abs(signedMs(bench().server.seen[1]) - Date.now() - aheadMs)).toBeLessThan(60_000);
        },
      );

      test('an age that cannot be is not believed', async () => {
        bench().server.answer((_request, response, index) => {
          if (index > 0) return sendStored(response);
          response.setHeader('age', '99999999999999');
          sendError(response, 403, 'RequestTimeTooSkewed');
        });
        const store = bench().open();
        await expectFailure(store.putIfAbsent('x', patternBytes(1)), 'retry', 'store-unavailable');
        await store.putIfAbsent('x', patternBytes(1));
      });

      test('a HEAD that was refused an hour ago does not say that our clock is wrong', async () => {
        bench().server.answer((_request, response) => {
          response.writeHead(403, lain(0)).end();
        });
        await expectFailure(bench().open().head('x'), 'halt', 'access-denied');
      });
    });

    test('settings that are no URL are refused at once', () => {
      expect(() => new S3ObjectStores({ endpoint: '127.0.0.1:9000' })).toThrow(/not an http/);
      const stores = new S3ObjectStores();
      expect(() => stores.forFilesystem({ ...filesystemOn(BUCKET), endpoint: 'ftp://user:pw@host' })).toThrow(
        /file system 2 is not/,
      );
    });

    test('stores are shared by bucket; endpoint and region of the file system win', async () => {
      const other = await startFaultServer();
      other.answer((_request, response) => response.writeHead(200, { 'content-length': 4, etag: '"x"' }).end());
      bench().server.answer((_request, response) =>
        response.writeHead(200, { 'content-length': 3, etag: '"x"' }).end(),
      );
      const stores = bench().openStores();
      const filesystem = filesystemOn(BUCKET);
      const own = stores.forFilesystem({ ...filesystem, endpoint: other.endpoint, region: 'eu-west-3' });
      expect(stores.forFilesystem({ ...filesystem, fsId: 3 })).toBe(stores.forFilesystem(filesystem));
      expect(own).not.toBe(stores.forFilesystem(filesystem));
      await expect(own.head('x')).resolves.toEqual({ bytes: 4 });
      await expect(stores.forFilesystem(filesystem).head('x')).resolves.toEqual({ bytes: 3 });
      expect(other.seen[0]?.headers.authorization).toContain('/eu-west-3/s3/');
      await other.close();
    });
  });

  describe('failures without an answer', () => {
    const context = { doing: 'Reading', bucket: BUCKET, where: 'host', timeoutMs: 1 };

    test.each([
      ['ECONNRESET', 'retry', 'store-unavailable'],
      ['EAI_AGAIN', 'retry', 'store-unavailable'],
      ['HPE_INVALID_CONSTANT', 'retry', 'store-unavailable'],
      ['ERR_STREAM_PREMATURE_CLOSE', 'retry', 'store-unavailable'],
      // Trying again changes no certificate.
      ['DEPTH_ZERO_SELF_SIGNED_CERT', 'halt', 'store-refused'],
    ])('%s is %s, %s, and is told', (code, kind, expected) => {
      const failure = classifyError(Object.assign(new Error('words'), { code }), context);
      expect(failure).toMatchObject({ kind, code: expected });
      expect(failure.message).toContain(`no answer (${code})`);
    });

    test('a thrown value that is no error, and one of our own, are told as they are', () => {
      expect(classifyError('a text', context)).toMatchObject({ kind: 'halt', code: 'store-refused' });
      const own = classifyError(Object.assign(new Error(''), { code: 'EPIPE' }), context);
      expect(classifyError(own, context)).toBe(own);
    });
  });

  describe('settings of the SDK', () => {
    /** Nothing of this machine's own settings may answer. */
    function stubSettings(): void {
      for (const name of [
        'AWS_ACCESS_KEY_ID',
        'AWS_SECRET_ACCESS_KEY',
        'AWS_PROFILE',
        'AWS_REGION',
        'AWS_ENDPOINT_URL_S3',
      ])
        vi.stubEnv(name, undefined);
      vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
      vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent/config');
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent/credentials');
    }

    test('missing credentials are access-denied, and no request is sent', async () => {
      stubSettings();
      const stores = new S3ObjectStores({ endpoint: bench().server.endpoint, region: 'us-east-1' });
      try {
        const call = stores.forFilesystem(filesystemOn(BUCKET)).head('x');
        const failure = await expectFailure(call, 'halt', 'access-denied');
        expect(failure.message).toContain('no usable credentials');
        expect(bench().server.seen).toEqual([]);
      } finally {
        stores.close();
        vi.unstubAllEnvs();
      }
    });

    test('credentials and region of the environment are used where the settings have none', async () => {
      stubSettings();
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOFTHEENVIRONMENT');
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', SECRET);
      vi.stubEnv('AWS_REGION', 'eu-south-2');
      bench().server.answer((_request, response) =>
        response.writeHead(200, { 'content-length': 4, etag: '"x"' }).end(),
      );
      const stores = new S3ObjectStores({ endpoint: bench().server.endpoint });
      try {
        await expect(stores.forFilesystem(filesystemOn(BUCKET)).head('x')).resolves.toEqual({ bytes: 4 });
        expect(bench().firstSeen().headers.authorization).toMatch(/AKIAOFTHEENVIRONMENT.*eu-south-2/);
      } finally {
        stores.close();
        vi.unstubAllEnvs();
      }
    });

    test('a missing region is store-refused, and told', async () => {
      stubSettings();
      const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET };
      const stores = new S3ObjectStores({ endpoint: bench().server.endpoint, credentials });
      try {
        const call = stores.forFilesystem(filesystemOn(BUCKET)).head('x');
        const failure = await expectFailure(call, 'halt', 'store-refused');
        expect(failure.message).toMatch(/failed: no region is known: set AWS_REGION/);
      } finally {
        stores.close();
        vi.unstubAllEnvs();
      }
    });
  });
});
