/**
 * Compacts one chunk of the given size, whose blocks are each made of several versions, against a store that makes up
 * its bytes and drops what is written; prints the peak RSS in bytes. Run by memory.test.ts, one process per size.
 */

import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { compactInode } from '../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import type { ObjectStores } from '../../src/objects/port.ts';
import { LedgerState, MemoryLedger } from '../sim/memory-ledger.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';

const MIB = 1024 * 1024;
const BLOCK = 4 * MIB;
const PIECE = MIB;
const key = { fsId: 1, inodeId: 1n };
const chunkSize = Number(process.argv[2]) * MIB;

const state = new MetadataState();
state.filesystems.set(1, { fsId: 1, uuid: 'u', name: 'n', bucket: 'b', objectPrefix: 0, blockSize: BLOCK, chunkSize });
state.put({ key, length: chunkSize, nlink: 1, mtimeMs: 0, type: 's3' });
const versions: S3ChunkInfo[] = [];
for (let offset = 0; offset < chunkSize; offset += PIECE) {
  versions.push({ chunkId: BigInt(versions.length + 1), compaction: 0n, offset, len: PIECE, size: PIECE, zero: false });
}
state.at(key)?.lists.set(0, versions);

let written = 0;
const stores: ObjectStores = {
  forFilesystem: () => ({
    getRange: async (_name, _offset, target) => {
      target.fill(1);
    },
    getWhole: async () => 0,
    putIfAbsent: async (_name, body) => {
      await new Promise((resolve) => setImmediate(resolve));
      written += body.length;
      return 'created';
    },
    head: async () => null,
    list: async () => ({ objects: [], more: false }),
    delete: async () => [],
  }),
  close: () => undefined,
};

const result = await compactInode(
  key,
  {
    metadata: new MemoryMetadata(state),
    objects: stores,
    ledger: new MemoryLedger(new LedgerState()),
    clock: systemClock,
    memory: new MemoryBudget(64 * MIB),
    attemptIds: new AttemptIds(),
  },
  {
    limits: {
      policy: { fragmentThreshold: 20, readGapBytes: 65_536 },
      chunksMax: 10,
      bytesMax: Number.MAX_SAFE_INTEGER,
      requestsMax: 1_000_000,
      durationMaxMs: 600_000,
      leaseMs: 3_600_000,
      graceMs: 1_000,
      commitTimeoutMs: 1_000,
      blocksInFlight: 4,
      getsInFlight: 16,
    },
  },
);
if (result.outcome !== 'compacted' || written !== chunkSize) throw new Error(`${result.outcome}, wrote ${written}`);
process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
