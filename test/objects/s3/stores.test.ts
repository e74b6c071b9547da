/**
 * The S3 adapter on servers: the contract on the run's server (radosgw where it is installed; the embedded one:
 * stores.torture.test.ts), and what only a server can tell, above all one that checks signatures.
 */
import { describe, expect, inject, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { ObjectStore } from '../../../src/objects/port.ts';
import { withRetries } from '../../../src/objects/retrying-store.ts';
import { expectBytes, expectFailure, objectStoreContract, patternBytes } from '../contract.ts';
import { sendError, sendRange, startFaultServer } from '../fault-server.ts';
import { filesystemOn, openStores, s3Bench } from './bench.ts';

const provided = inject('s3');

objectStoreContract(provided.kind, () => s3Bench(provided));
objectStoreContract(`${provided.kind} by the SDK`, () => s3Bench(provided, { dataPath: 'sdk' }));

describe(`credentials on ${provided.kind}`, () => {
  // s3rver refuses an unknown key, and checks no secret.
  const wrong = [
    { what: 'an unknown key', credentials: { accessKeyId: 'AKIANOSUCHKEY', secretAccessKey: 'nonsense' } },
    ...(provided.kind !== 's3rver'
      ? [{ what: 'a wrong secret', credentials: { accessKeyId: provided.accessKeyId, secretAccessKey: 'nonsense' } }]
      : []),
  ];
  test.each(wrong)('$what is access-denied in every operation, and is not told', async ({ credentials }) => {
    const bench = await s3Bench(provided);
    const stores = openStores(provided, { credentials });
    try {
      await bench.write('there', patternBytes(4));
      const store = stores.forFilesystem(filesystemOn(bench.bucket));
      const calls: readonly Promise<unknown>[] = [
        store.getRange('there', 0, new Uint8Array(4)),
        store.putIfAbsent('new', patternBytes(4)),
        store.head('there'),
        store.delete(['there']),
      ];
      for (const failure of await Promise.all(calls.map((call) => expectFailure(call, 'halt', 'access-denied')))) {
        const told = `${failure.message} ${failure.stack} ${String(failure.cause)} ${JSON.stringify(failure.cause)}`;
        expect(told).not.toContain(credentials.accessKeyId);
        expect(told).not.toContain(credentials.secretAccessKey);
      }
      expect(await bench.names()).toEqual(['there']);
    } finally {
      stores.close();
      await bench.close();
    }
  });
});

describe('retries over HTTP', () => {
  test('a server that answers 503 twice and then works is one success', async () => {
    const server = await startFaultServer();
    const stores = openStores({ ...provided, endpoint: server.endpoint });
    try {
      server.answer((request, response, index) => {
        if (index < 2) sendError(response, 503, 'SlowDown');
        else sendRange(request, response, patternBytes(10));
      });
      const target = new Uint8Array(10);
      await retried(stores.forFilesystem(filesystemOn('bkt'))).getRange('x', 0, target);
      expectBytes(target, patternBytes(10));
      expect(server.seen).toHaveLength(3);
    } finally {
      stores.close();
      await server.close();
    }
  });

  test('a body that is cut is read again from its beginning', async () => {
    const server = await startFaultServer();
    const stores = openStores({ ...provided, endpoint: server.endpoint });
    try {
      const content = patternBytes(200_000);
      server.answer((request, response, index) => {
        if (index > 0) return sendRange(request, response, content);
        response.writeHead(206, { 'content-range': 'bytes 0-199999/200000', 'content-length': 200_000 });
        response.write(new Uint8Array(100_000).fill(9), () => response.destroy());
      });
      const target = new Uint8Array(200_000);
      await retried(stores.forFilesystem(filesystemOn('bkt'))).getRange('x', 0, target);
      expectBytes(target, content);
    } finally {
      stores.close();
      await server.close();
    }
  });
});

function retried(store: ObjectStore): ObjectStore {
  return withRetries(store, { clock: systemClock, backOffMs: 1 });
}
