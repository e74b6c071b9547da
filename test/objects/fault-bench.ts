/**
 * What the fault tests share: a fresh fault server and stores on it for each test, and the look afterwards that no
 * socket is left. It stands alone because three files use it. An unhandled rejection needs no look of ours: vitest
 * fails the run on one.
 */
import { afterEach, beforeEach, expect, vi } from 'vitest';
import type { ObjectStore } from '../../src/objects/port.ts';
import { S3ObjectStores, type S3Settings } from '../../src/objects/s3/stores.ts';
import { type FaultServer, type SeenRequest, startFaultServer } from './fault-server.ts';
import { filesystemOn } from './s3/bench.ts';

export const ACCESS_KEY = 'AKIATESTACCESSKEY';
export const SECRET = 'test-secret-never-printed';
export const BUCKET = 'bkt';
/** The ways that hot requests can go: what an answer means is the same on both. */
export const DATA_PATHS = ['fast', 'sdk'] as const;

export interface FaultBench {
  readonly server: FaultServer;
  /** What the stores logged. */
  readonly logged: readonly string[];
  /** Stores on the fault server, closed after the test. */
  openStores(settings?: S3Settings): S3ObjectStores;
  /** The store of BUCKET on such stores. */
  open(settings?: S3Settings): ObjectStore;
  /** The first request the server saw. */
  firstSeen(): SeenRequest;
}

/** Registers the hooks; the returned function gives the bench of the running test. */
export function useFaultBench(defaults: S3Settings = {}): () => FaultBench {
  let bench: FaultBench | undefined;
  let opened: S3ObjectStores[] = [];
  const current = (): FaultBench => {
    if (bench === undefined) throw new Error('no test is running');
    return bench;
  };

  beforeEach(async () => {
    const server = await startFaultServer();
    const logged: string[] = [];
    opened = [];
    const openStores = (settings: S3Settings = {}): S3ObjectStores => {
      const stores = new S3ObjectStores({
        endpoint: server.endpoint,
        region: 'us-east-1',
        credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
        log: (message) => logged.push(message),
        ...defaults,
        ...settings,
      });
      opened.push(stores);
      return stores;
    };
    bench = {
      server,
      logged,
      openStores,
      open: (settings) => openStores(settings).forFilesystem(filesystemOn(BUCKET)),
      firstSeen: () => {
        const [request] = server.seen;
        if (request === undefined) throw new Error('the server saw no request');
        return request;
      },
    };
  });

  afterEach(async () => {
    const { server } = current();
    for (const stores of opened) stores.close();
    await vi.waitFor(() => expect(server.openSockets()).toBe(0), { timeout: 600_000, interval: 5 });
    await server.close();
  });
  return current;
}
