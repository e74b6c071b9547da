/**
 * Stores that refuse a form of a request: what is tried instead, in which order, what is concluded and remembered, and
 * what is not. The fault server plays a store that takes only what a test lets it take. Both ways that requests go.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { crc32Base64 } from '../../../src/objects/s3/checksums.ts';
import { expectBytes, expectFailure, patternBytes } from '../contract.ts';
import { DATA_PATHS, useFaultBench } from '../fault-bench.ts';
import { type SeenRequest, sendDeleted, sendError, sendRange, sendStored } from '../fault-server.ts';

const hasChecksum = ({ headers }: SeenRequest): boolean =>
  Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'));
const hasCondition = ({ headers }: SeenRequest): boolean => headers['if-none-match'] !== undefined;
const isUnsigned = ({ headers }: SeenRequest): boolean => headers['x-amz-content-sha256'] === 'UNSIGNED-PAYLOAD';
/** `c` condition, `k` checksum, `u` unsigned. */
const formOf = (seen: SeenRequest): string =>
  `${hasCondition(seen) ? 'c' : '-'}${hasChecksum(seen) ? 'k' : '-'}${isUnsigned(seen) ? 'u' : '-'}`;

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });
  const forms = (): string[] =>
    bench()
      .server.seen.filter(({ method }) => method === 'PUT')
      .map(formOf);
  /** A store that refuses what the test says, and takes everything else. */
  const refusing = (refuses: (seen: SeenRequest) => boolean, status: number, code: string): void =>
    bench().server.answer((request, response) => {
      if (refuses(request)) sendError(response, status, code);
      else if (request.method === 'DELETE') response.writeHead(204).end();
      else if (request.method === 'POST') sendDeleted(request, response);
      else sendStored(response);
    });
  const put = (store = bench().open(), body = patternBytes(5)): Promise<string> => store.putIfAbsent('x', body);

  describe('writes', () => {
    test.each([
      [
        'checksum headers',
        501,
        'NotImplemented',
        hasChecksum,
        ['cku', 'ck-', 'c--'],
        'c--',
        'checksumHeaders',
        'x-amz-checksum',
      ],
      [
        'checksum headers',
        400,
        'InvalidArgument',
        hasChecksum,
        ['cku', 'ck-', 'c--'],
        'c--',
        'checksumHeaders',
        'x-amz-checksum',
      ],
      [
        'an unsigned body',
        400,
        'InvalidRequest',
        isUnsigned,
        ['cku', 'ck-'],
        'ck-',
        'unsignedPayload',
        'UNSIGNED-PAYLOAD',
      ],
      [
        'an unsigned body',
        400,
        'XAmzContentSHA256Mismatch',
        isUnsigned,
        ['cku', 'ck-'],
        'ck-',
        'unsignedPayload',
        'UNSIGNED-PAYLOAD',
      ],
      [
        'the condition',
        501,
        'NotImplemented',
        hasCondition,
        ['cku', 'ck-', 'c--', '-ku'],
        '-ku',
        'conditionalPut',
        'If-None-Match',
      ],
      [
        'the condition',
        400,
        'InvalidArgument',
        hasCondition,
        ['cku', 'ck-', 'c--', '-ku'],
        '-ku',
        'conditionalPut',
        'If-None-Match',
      ],
    ] as const)(
      'a store that refuses %s with %i %s gets them without',
      async (_what, status, code, refuses, tried, then, capability, said) => {
        refusing(refuses, status, code);
        const store = bench().open();
        for (let n = 0; n < 3; n++) await expect(put(store)).resolves.toBe('created');
        expect(forms()).toEqual([...tried, then, then]);
        expect(bench().logged).toEqual([expect.stringContaining(said)]);
        const known = store.capabilities?.();
        expect(known?.[capability]).toBe('refused');
        expect(Object.values(known ?? {}).filter((state) => state === 'refused')).toHaveLength(1);
      },
    );

    test('a store that refuses condition and checksums gets neither, and both are said', async () => {
      refusing((seen) => hasCondition(seen) || hasChecksum(seen), 501, 'NotImplemented');
      const store = bench().open();
      await put(store);
      await put(store);
      expect(forms()).toEqual(['cku', 'ck-', 'c--', '-ku', '---', '---']);
      expect(bench().logged).toHaveLength(2);
    });

    test('without a checksum header the body is signed by its SHA-256', async () => {
      refusing(hasChecksum, 501, 'NotImplemented');
      const body = patternBytes(70_000);
      await put(undefined, body);
      const last = bench().server.seen.at(-1);
      expectBytes(last?.body ?? new Uint8Array(), body);
      expect(last?.headers['x-amz-content-sha256']).toBe(createHash('sha256').update(body).digest('hex'));
    });

    test('a store that refuses every form taught nothing', async () => {
      refusing(() => true, 501, 'NotImplemented');
      const store = bench().open();
      for (let n = 0; n < 2; n++) await expectFailure(put(store), 'halt', 'store-refused');
      expect(forms()).toHaveLength(10);
      expect(bench().logged).toEqual([]);
      expect(new Set(Object.values(store.capabilities?.() ?? {}))).toEqual(new Set(['untried']));
    });

    test('an outage among the tries taught nothing', async () => {
      bench().server.answer((_request, response, index) =>
        index === 0 ? sendError(response, 501, 'NotImplemented') : sendError(response, 503, 'SlowDown'),
      );
      const store = bench().open();
      await expectFailure(put(store), 'retry', 'store-unavailable');
      expect(forms()).toHaveLength(2);
      expect(bench().logged).toEqual([]);
    });

    test('I3: a condition that the store has taken is not given up for a later refusal', async () => {
      const store = bench().open();
      refusing(() => false, 200, '');
      await put(store);
      refusing(hasCondition, 400, 'InvalidArgument');
      await expectFailure(put(store), 'halt', 'store-refused');
      expect(forms().filter((form) => form.startsWith('-'))).toEqual([]);
    });

    test.each([
      ['checksum headers', hasChecksum],
      ['an unsigned body', isUnsigned],
    ] as const)(
      'one refusal of %s after they were taken: that write goes without, the next ones do not',
      async (_what, refuses) => {
        const store = bench().open();
        refusing(() => false, 200, '');
        await put(store);
        refusing(refuses, 400, 'InvalidRequest');
        await expect(put(store)).resolves.toBe('created');
        refusing(() => false, 200, '');
        await put(store);
        expect([forms()[0], forms().at(-1)]).toEqual(['cku', 'cku']);
        expect(Object.values(store.capabilities?.() ?? {})).not.toContain('refused');
        expect(bench().logged).toEqual([]);
      },
    );

    test('412 to another form is exists, and tells what the store lacks', async () => {
      bench().server.answer((request, response) =>
        hasChecksum(request)
          ? sendError(response, 501, 'NotImplemented')
          : sendError(response, 412, 'PreconditionFailed'),
      );
      const store = bench().open();
      await expect(put(store)).resolves.toBe('exists');
      expect(store.capabilities?.()).toMatchObject({ checksumHeaders: 'refused', conditionalPut: 'accepted' });
    });

    test.each([
      ['a name that is taken', 200, 'exists', ['cku']],
      ['a condition that it does not like', 404, 'created', ['cku', '-ku']],
    ] as const)('I3: 409 of another kind over %s', async (_what, status, outcome, expected) => {
      bench().server.answer((request, response) => {
        if (request.method === 'HEAD') response.writeHead(status, { etag: '"x"', 'content-length': 1 }).end();
        else if (request.method === 'GET') sendError(response, 404, 'NoSuchKey');
        else if (hasCondition(request)) sendError(response, 409, 'Conflict');
        else sendStored(response);
      });
      await expect(put()).resolves.toBe(outcome);
      expect(forms()).toEqual(expected);
    });

    test('when_required: no checksum header is sent, nor is one missed', async () => {
      refusing(() => false, 200, '');
      const store = bench().open({ requestChecksums: 'when_required' });
      await put(store);
      await store.delete(['a']);
      expect(forms()).toEqual(['c--']);
      expect(bench().server.seen.some(hasChecksum)).toBe(false);
      expect(bench().server.seen.at(-1)?.headers['content-md5']).toBeDefined();
      expect(bench().logged).toEqual([]);
    });
  });

  describe('batch deletes', () => {
    const methods = (): string[] => bench().server.seen.map(({ method }) => method);

    test('a store that refuses checksum headers gets Content-MD5 alone', async () => {
      refusing(hasChecksum, 501, 'NotImplemented');
      const store = bench().open();
      await expect(store.delete(['a', 'b'])).resolves.toEqual([]);
      await expect(store.delete(['c'])).resolves.toEqual([]);
      expect(bench().server.seen.map(hasChecksum)).toEqual([true, false, false]);
      const last = bench().server.seen.at(-1);
      expect(last?.headers['content-md5']).toBe(
        createHash('md5')
          .update(last?.body ?? '')
          .digest('base64'),
      );
      expect(last?.headers['x-amz-sdk-checksum-algorithm']).toBeUndefined();
      // And writes know it.
      await put(store);
      expect(forms()).toEqual(['c--']);
      expect(bench().logged).toHaveLength(1);
    });

    test('400 to a batch is tried as single deletes; where batches have worked before, the next is a batch again', async () => {
      const store = bench().open();
      refusing(() => false, 200, '');
      await store.delete(['a', 'b']);
      refusing(({ method }) => method === 'POST', 400, 'InvalidRequest');
      await expect(store.delete(['c', 'd'])).resolves.toEqual([]);
      refusing(() => false, 200, '');
      await store.delete(['e', 'f']);
      expect(methods()).toEqual(['POST', 'POST', 'DELETE', 'DELETE', 'POST']);
      expect(bench().logged).toEqual([]);
    });

    test('single deletes that are refused, too, taught nothing, and are told name by name', async () => {
      refusing(() => true, 400, 'InvalidRequest');
      const store = bench().open();
      await expect(store.delete(['a', 'b'])).resolves.toEqual([
        { name: 'a', code: 'InvalidRequest' },
        { name: 'b', code: 'InvalidRequest' },
      ]);
      expect(store.capabilities?.()).toMatchObject({ multiDelete: 'untried', checksumHeaders: 'untried' });
      expect(bench().logged).toEqual([]);
    });
  });

  describe('checksums of what is read', () => {
    const content = patternBytes(64);
    /** A store that sends a checksum with what it is asked for, as AWS does. */
    const sending = (checksum: string, headers: Record<string, string> = {}): void =>
      bench().server.answer((request, response) => {
        if (request.headers['x-amz-checksum-mode'] === 'ENABLED') {
          response.setHeader('x-amz-checksum-crc32', checksum);
          for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        }
        sendRange(request, response, content);
      });
    const readWith = (responseChecksums: 'when_supported' | 'when_required', bytes = 64): Promise<void> =>
      bench().open({ responseChecksums }).getRange('x', 0, new Uint8Array(bytes));

    test('are asked for and compared where that is wanted, and only of whole objects', async () => {
      sending(crc32Base64(crc32(content)));
      await readWith('when_supported');
      sending(crc32Base64(1));
      await expectFailure(readWith('when_supported'), 'retry', 'store-unavailable');
      await readWith('when_required');
      await readWith('when_supported', 63);
      sending(crc32Base64(1), { 'x-amz-checksum-type': 'COMPOSITE' });
      await readWith('when_supported');
    });

    test('are done without where the store refuses the question', async () => {
      bench().server.answer((request, response) => {
        if (request.headers['x-amz-checksum-mode'] !== undefined) sendError(response, 501, 'NotImplemented');
        else sendRange(request, response, content);
      });
      const store = bench().open({ responseChecksums: 'when_supported' });
      for (let n = 0; n < 2; n++) await store.getRange('x', 0, new Uint8Array(64));
      expect(bench().server.seen).toHaveLength(3);
      expect(bench().logged).toHaveLength(1);
    });

    test('one refusal after they were had: that read goes without, the next ones do not', async () => {
      const store = bench().open({ responseChecksums: 'when_supported' });
      const read = () => store.getRange('x', 0, new Uint8Array(64));
      sending(crc32Base64(crc32(content)));
      await read();
      bench().server.answer((request, response) => {
        if (request.headers['x-amz-checksum-mode'] !== undefined) sendError(response, 400, 'InvalidRequest');
        else sendRange(request, response, content);
      });
      await read();
      sending(crc32Base64(crc32(content)));
      await read();
      expect(bench().server.seen.map(({ headers }) => headers['x-amz-checksum-mode'])).toEqual([
        'ENABLED',
        'ENABLED',
        undefined,
        'ENABLED',
      ]);
      expect(bench().logged).toEqual([]);
    });
  });

  describe('refusals', () => {
    test.each(['get', 'list', 'head'] as const)('501 to a %s is no outage', async (op) => {
      bench().server.answer((_request, response) => sendError(response, 501, 'NotImplemented'));
      const store = bench().open();
      const calls = {
        get: () => store.getRange('x', 0, new Uint8Array(1)),
        list: () => store.list(),
        head: () => store.head('x'),
      };
      await expectFailure(calls[op](), 'halt', 'store-refused');
    });

    test('a store that wants the bucket in the host name is told so, and which setting does it', async () => {
      bench().server.answer((_request, response) => sendError(response, 403, 'SecondLevelDomainForbidden'));
      const failure = await expectFailure(put(), 'halt', 'store-refused');
      expect(failure.message).toContain('S3COMPACT_FORCE_PATH_STYLE=false');
    });

    test("the server's words are in ours: one short line, without keys", async () => {
      const key = 'AKIAIOSFODNN7EXAMPLE';
      const signature = createHash('sha256').update('x').digest('hex');
      const words = `The tenant\n  is  "over" quota for ${key} of ${signature}. ${'More words. '.repeat(100)}`;
      const text = `<Error><Code>QuotaExceeded</Code><Message>${words}</Message></Error>`;
      bench().server.answer((_request, response) => response.writeHead(403).end(text));
      const { message } = await expectFailure(put(), 'halt', 'store-refused');
      expect(message).toContain('("The tenant is over quota for … of …. More words.');
      expect(message).not.toContain(key);
      expect(message.length).toBeLessThan(500);
    });
  });
});
