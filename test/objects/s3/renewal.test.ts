/**
 * Credentials that the store refuses while their provider has others by now: the request is sent once more with those, on
 * both ways, and everything after it. What a provider cannot renew is refused once, not for ever; one that hangs is left.
 */
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { ObjectStore } from '../../../src/objects/port.ts';
import { withRetries } from '../../../src/objects/retrying-store.ts';
import type { PassingCredentials } from '../../../src/objects/s3/settings.ts';
import { S3ObjectStores } from '../../../src/objects/s3/stores.ts';
import { expectFailure, patternBytes } from '../contract.ts';
import { BUCKET, DATA_PATHS, SECRET, useFaultBench } from '../fault-bench.ts';
import { type SeenRequest, sendDeleted, sendError, sendRange, sendStored } from '../fault-server.ts';
import { filesystemOn } from './bench.ts';

const keyOf = ({ headers }: SeenRequest): string =>
  /Credential=([^/]*)/.exec(String(headers.authorization))?.[1] ?? 'none';

const retried = (store: ObjectStore): ObjectStore => withRetries(store, { clock: systemClock, backOffMs: 1 });

const CALLS: Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>> = {
  read: (store) => store.getRange('x', 0, new Uint8Array(4)),
  put: (store) => store.putIfAbsent('x', patternBytes(4)),
  head: (store) => store.head('x'),
  delete: (store) => store.delete(['x']),
};

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });
  let good = new Set<string>();
  let refusal: readonly [number, string] = [400, 'ExpiredToken'];
  /** A store that takes the keys in `good`. */
  const serve = (): void =>
    bench().server.answer((request, response) => {
      if (!good.has(keyOf(request))) return sendError(response, ...refusal);
      if (request.method === 'PUT') return sendStored(response);
      if (request.method === 'POST') return sendDeleted(request, response);
      if (request.method === 'HEAD') response.writeHead(200, { etag: '"x"', 'content-length': 4 }).end();
      else sendRange(request, response, patternBytes(8));
    });
  const openWith = (credentials: (options?: unknown) => Promise<PassingCredentials>): S3ObjectStores =>
    bench().openStores({ credentials });

  test.each([
    [400, 'ExpiredToken'],
    [400, 'TokenRefreshRequired'],
    [403, 'InvalidAccessKeyId'],
    [403, 'SignatureDoesNotMatch'],
  ] as const)('%i %s in the middle of a run: others are asked for, and everything goes on', async (...answer) => {
    refusal = answer;
    let number = 1;
    const asked: unknown[] = [];
    const stores = openWith(async (options) => {
      asked.push(options);
      return { accessKeyId: `KEY${number}`, secretAccessKey: SECRET, expiration: new Date(Date.now() + 3_600_000) };
    });
    const store = stores.forFilesystem(filesystemOn(BUCKET));
    serve();
    for (const call of Object.values(CALLS)) {
      good = new Set([`KEY${number}`]);
      await call(store);
      const before = asked.length;
      await call(store);
      expect(asked).toHaveLength(before);
      good = new Set([`KEY${++number}`]);
      // Many at once, one question.
      await Promise.all([call(store), call(store), call(store)]);
      expect(asked.length).toBeGreaterThan(before);
      expect(asked.length).toBeLessThanOrEqual(before + 2);
    }
  });

  test('credentials that cannot be renewed are access-denied, the provider is not asked for each request', async () => {
    refusal = [400, 'ExpiredToken'];
    good = new Set();
    serve();
    let asked = 0;
    const stores = openWith(async () => {
      asked++;
      return { accessKeyId: 'KEY', secretAccessKey: SECRET, expiration: new Date(Date.now() + 3_600_000) };
    });
    const store = stores.forFilesystem(filesystemOn(BUCKET));
    for (let n = 0; n < 5; n++) await expectFailure(store.putIfAbsent('x', patternBytes(1)), 'halt', 'access-denied');
    expect(asked).toBeLessThanOrEqual(2);
    expect(bench().server.seen).toHaveLength(5);
  });

  test('credentials about to end are asked for again before they do', async () => {
    good = new Set(['KEY1', 'KEY2']);
    serve();
    let number = 1;
    const expiration = new Date(Date.now() + 3_600_000);
    const stores = openWith(async () => ({ accessKeyId: `KEY${number}`, secretAccessKey: SECRET, expiration }));
    const store = stores.forFilesystem(filesystemOn(BUCKET));
    try {
      await store.getRange('x', 0, new Uint8Array(4));
      number = 2;
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_590_000 });
      await store.getRange('x', 0, new Uint8Array(4));
      expect(bench().server.seen.map(keyOf)).toEqual(['KEY1', 'KEY2']);
    } finally {
      vi.useRealTimers();
    }
  });

  describe('a provider that hangs once', () => {
    afterEach(() => vi.unstubAllEnvs());

    test.each(['at first', 'when the store refuses the keys'] as const)(
      '%s: it is named, and asked again',
      async (when) => {
        refusal = [400, 'ExpiredToken'];
        good = new Set(['KEY2']);
        serve();
        let asked = 0;
        const hangsAt = when === 'at first' ? 1 : 2;
        const stores = bench().openStores({
          requestTimeoutMs: 2_000,
          credentials: () => {
            if (++asked === hangsAt) return new Promise(() => {});
            return Promise.resolve({ accessKeyId: asked < hangsAt ? 'KEY1' : 'KEY2', secretAccessKey: SECRET });
          },
        });
        const store = stores.forFilesystem(filesystemOn(BUCKET));
        const { message } = await expectFailure(store.putIfAbsent('x', patternBytes(4)), 'retry', 'store-unavailable');
        expect(message).toContain('failed: the credentials provider did not answer within 1500 ms. Look at what gives');
        expect(message).not.toContain('KEY');
        await expect(retried(store).putIfAbsent('x', patternBytes(4))).resolves.toBe('created');
      },
    );

    test('a credential process', async () => {
      good = new Set(['KEY2']);
      serve();
      const folder = await mkdtemp(join(tmpdir(), 's3compact-keys-'));
      const [hung, script] = [join(folder, 'hung'), join(folder, 'process.sh')];
      const keys = JSON.stringify({ Version: 1, AccessKeyId: 'KEY2', SecretAccessKey: SECRET });
      // It hangs until the folder is gone.
      const hang = `if mkdir ${hung}; then while [ -d ${hung} ]; do sleep 0.2; done; fi`;
      await writeFile(script, `#!/bin/sh\n${hang}\necho '${keys}'\n`, { mode: 0o755 });
      await writeFile(join(folder, 'config'), `[default]\ncredential_process = ${script}\n`);
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
      vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'none'));
      vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
      const { endpoint } = bench().server;
      const stores = new S3ObjectStores({ endpoint, region: 'us-east-1', dataPath, requestTimeoutMs: 2_000 });
      try {
        const store = retried(stores.forFilesystem(filesystemOn(BUCKET)));
        await expect(store.putIfAbsent('x', patternBytes(1))).resolves.toBe('created');
        await expect(access(hung)).resolves.toBeUndefined();
      } finally {
        stores.close();
        await rm(folder, { recursive: true });
      }
    });
  });

  describe('a shared credentials file', () => {
    afterEach(() => vi.unstubAllEnvs());

    test('is read again when the store refuses its keys', async () => {
      refusal = [403, 'InvalidAccessKeyId'];
      const folder = await mkdtemp(join(tmpdir(), 's3compact-keys-'));
      const file = join(folder, 'credentials');
      const write = (key: string): Promise<void> =>
        writeFile(file, `[default]\naws_access_key_id=${key}\naws_secret_access_key=${SECRET}\n`);
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
      vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
      vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
      vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
      await write('KEY1');
      serve();
      const stores = new S3ObjectStores({ endpoint: bench().server.endpoint, region: 'us-east-1', dataPath });
      try {
        const store = stores.forFilesystem(filesystemOn(BUCKET));
        good = new Set(['KEY1']);
        await store.putIfAbsent('x', patternBytes(1));
        await write('KEY2');
        good = new Set(['KEY2']);
        await expect(store.putIfAbsent('x', patternBytes(1))).resolves.toBe('created');
        expect(bench().server.seen.map(keyOf)).toEqual(['KEY1', 'KEY1', 'KEY2']);
      } finally {
        stores.close();
        await rm(folder, { recursive: true });
      }
    });
  });
});
