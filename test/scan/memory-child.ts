/**
 * One scan of a file system that exists only as a rule, in a process of its own, with a queue that a worker empties as fast
 * as it is fed: prints inodes, jobs and the peak of its memory as JSON. Every tenth inode is worth a run.
 */

import { systemClock } from '../../src/clock.ts';
import type { InodePage, InodePart, MetadataStore } from '../../src/metadata/port.ts';
import type { InodeKey, S3ChunkInfo } from '../../src/model.ts';
import { scanFilesystem } from '../../src/scan/scan.ts';
import { ledgerMs } from '../../src/time.ts';

const INODES = Number(process.argv[2]);
const PAGE = 500;
const FILESYSTEM = {
  fsId: 1,
  uuid: 'u',
  name: 'f',
  bucket: 'b',
  objectPrefix: 0 as const,
  blockSize: 16,
  chunkSize: 160,
};

const unused = (): never => {
  throw new Error('a scan does not call this');
};

function versionsOf(inodeId: bigint): S3ChunkInfo[] {
  const count = inodeId % 10n === 0n ? 30 : 2;
  return Array.from({ length: count }, (_, n) => ({
    chunkId: BigInt(n + 1),
    compaction: 0n,
    offset: n * 4,
    len: 4,
    size: 4,
    zero: false,
  }));
}

const metadata = {
  storeId: 'rule',
  begin: unused,
  commit: unused,
  clearFence: unused,
  incarnation: unused,
  confirmPrimary: unused,
  chunkIndexes: unused,
  readChunk: unused,
  getInode: unused,
  getFilesystem: async () => FILESYSTEM,
  inodePages: async function* (): AsyncGenerator<InodePage> {
    for (let from = 0; from < INODES; from += PAGE) {
      const keys = Array.from({ length: Math.min(PAGE, INODES - from) }, (_, n) => ({
        fsId: 1,
        inodeId: BigInt(from + n),
      }));
      const isLast = from + PAGE >= INODES;
      yield { keys, cursor: isLast ? null : `${from}`, restarted: false };
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
  readLists: async function* (keys: readonly InodeKey[]): AsyncGenerator<InodePart> {
    await new Promise((resolve) => setImmediate(resolve));
    for (const key of keys) {
      const inode = { key, length: 160, nlink: 1, mtimeMs: 0, type: 's3' };
      yield { key, inode, chunks: [{ chunkIndex: 0, versions: versionsOf(key.inodeId) }], last: true };
    }
  },
  close: async () => undefined,
} as unknown as MetadataStore;

let peakBytes = 0;
const look = () => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
};
const timer = setInterval(look, 5);
const report = await scanFilesystem(
  1,
  {
    metadata,
    clock: systemClock,
    nowMs: async () => ledgerMs(0),
    queue: {
      enqueueBest: async (_fsId, inodes) => inodes.length,
      waitingCount: async () => 0,
    },
    control: { isPaused: async () => false },
    quarantine: { among: async () => new Set<string>() },
    book: { position: async () => null, setPosition: async () => undefined, setResult: async () => undefined },
  },
  {
    policy: { fragmentThreshold: 20, readGapBytes: 4 },
    queueMax: 10_000,
    concurrency: 4,
    patienceMs: 0,
    by: 'rule',
    onProgress: look,
  },
);
clearInterval(timer);
look();
process.stdout.write(JSON.stringify({ inodes: report.backlog.inodes, queued: report.queued, peakBytes }));
