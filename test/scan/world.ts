/**
 * A file system in memory with files of known worth, and a queue and a book in memory beside it, each call of which may be
 * made to fail. For scans at port level; scans on real servers are in scan.test.ts.
 */

import type { Clock } from '../../src/clock.ts';
import { CompactError } from '../../src/errors.ts';
import type { InodeKey } from '../../src/model.ts';
import { scanFilesystem } from '../../src/scan/scan.ts';
import type { ScanDeps, ScanOptions, ScanReport } from '../../src/scan/types.ts';
import type { ScanPosition, ScanResult, ScoredInode } from '../../src/scan-port.ts';
import { ledgerMs, monotonicMs } from '../../src/time.ts';
import type { Crossing } from '../sim/boundary.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';

export const FS = {
  fsId: 7,
  uuid: 'u',
  name: 'f',
  bucket: 'b',
  objectPrefix: 0 as const,
  blockSize: 16,
  chunkSize: 64,
};
export const POLICY = { fragmentThreshold: 3, readGapBytes: 4 };

/** Its sleeps take no time, but let everything else go on. */
function fastClock(): Clock {
  let nowMs = 0;
  return {
    monotonicMs: () => monotonicMs(nowMs + performance.now()),
    sleep: async (ms) => {
      nowMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** What outlives a scan that dies. */
export class ScanWorld {
  readonly metadata = new MetadataState();
  /** Jobs that wait, by inode id, and how often each was queued. */
  readonly waiting = new Map<bigint, number>();
  readonly order: bigint[] = [];
  readonly quarantined = new Set<bigint>();
  paused = false;
  /** Whose the bucket is, asked before anything is queued. */
  refuseOther: ((filesystem: { readonly bucket: string }) => void) | undefined;
  position: ScanPosition | null = null;
  result: ScanResult | null = null;
  nowMs = 1_000_000;
  /** The most jobs that ever waited. */
  deepest = 0;

  constructor() {
    this.metadata.filesystems.set(FS.fsId, FS);
  }

  /** A file whose single chunk has so many small versions side by side; more than three are worth merging. */
  file(inodeId: bigint, versions: number): void {
    const key = { fsId: FS.fsId, inodeId };
    this.metadata.put({ key, length: 64, nlink: 1, mtimeMs: 0, type: 's3' });
    const list = Array.from({ length: versions }, (_, n) => ({
      chunkId: BigInt(n + 1),
      compaction: 0n,
      offset: n,
      len: 1,
      size: 1,
      zero: false,
    }));
    this.metadata.at(key)?.lists.set(0, list);
  }

  deps(crossing?: Crossing): ScanDeps {
    const cross = <T>(name: string, effect: () => T): Promise<T> =>
      crossing === undefined ? Promise.resolve().then(effect) : crossing.cross(name, effect);
    return {
      metadata: new MemoryMetadata(this.metadata, crossing),
      clock: fastClock(),
      nowMs: () => cross('ledger.nowMs', () => ledgerMs(this.nowMs)),
      refuseOther: async (filesystem) => this.refuseOther?.(filesystem),
      control: { isPaused: () => cross('ledger.isPaused', () => this.paused) },
      quarantine: {
        among: (keys: readonly InodeKey[]) =>
          cross('ledger.among', () => {
            const hits = keys.filter(({ inodeId }) => this.quarantined.has(inodeId));
            return new Set(hits.map(({ fsId, inodeId }) => `${fsId}/${inodeId}`));
          }),
      },
      queue: {
        waitingCount: () => cross('ledger.waitingCount', () => this.waiting.size),
        enqueueBest: (_fsId, inodes) => cross('ledger.enqueueBest', () => this.#enqueue(inodes)),
      },
      book: {
        position: () => cross('ledger.position', () => this.position),
        setPosition: (_uuid, position) =>
          cross('ledger.setPosition', () => {
            this.position = position;
          }),
        setResult: (_fsId, result) =>
          cross('ledger.setResult', () => {
            this.result = result;
          }),
      },
    };
  }

  scan(options: Partial<ScanOptions> = {}, crossing?: Crossing): Promise<ScanReport> {
    return scanFilesystem(FS.fsId, this.deps(crossing), {
      policy: POLICY,
      queueMax: 10_000,
      concurrency: 2,
      patienceMs: 0,
      by: 'test',
      ...options,
    });
  }

  /** A worker ends this many jobs, the first that were queued first. */
  work(jobs: number): void {
    for (const inodeId of [...this.waiting.keys()].slice(0, jobs)) this.waiting.delete(inodeId);
  }

  #enqueue(inodes: readonly ScoredInode[]): number {
    let queued = 0;
    for (const { key } of inodes) {
      if (this.waiting.has(key.inodeId)) continue;
      this.waiting.set(key.inodeId, 1);
      this.order.push(key.inodeId);
      queued++;
    }
    this.deepest = Math.max(this.deepest, this.waiting.size);
    return queued;
  }
}

/** A boundary at which chosen calls fail for a while, by name. */
export function flaky(fails: (name: string, nth: number) => boolean): Crossing {
  const counts = new Map<string, number>();
  return {
    gone: false,
    cross: async (name, effect) => {
      const nth = counts.get(name) ?? 0;
      counts.set(name, nth + 1);
      if (fails(name, nth)) {
        const code = name.startsWith('metadata') ? 'metadata-unavailable' : 'queue-unavailable';
        throw new CompactError(`injected: ${name} is away`, { kind: 'retry', code });
      }
      return effect();
    },
  };
}
