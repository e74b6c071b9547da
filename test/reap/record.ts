/** What looks at a reap record need: the ports of a world, and a record of its one chunk. */
import type { ReapRecord } from '../../src/ledger.ts';
import type { ReapDeps } from '../../src/reap/reap-record.ts';
import { ledgerMs } from '../../src/time.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { KEY, LIMITS, type World } from '../sim/world.ts';

export function reapDeps(world: World): ReapDeps {
  return {
    metadata: new MemoryMetadata(world.metadata),
    objects: world.stores,
    nowMs: async () => ledgerMs(world.ledger.nowMs),
    graceMs: LIMITS.graceMs,
  };
}

/** Due now, without a stamp, unless `changes` say otherwise. */
export function recordIn(world: World, changes: Partial<ReapRecord> = {}): ReapRecord {
  return {
    storeId: 'memory:fs',
    fsUuid: 'uuid-1',
    bucket: 'world',
    key: KEY,
    chunkIndex: 0,
    attempt: 4096n,
    incarnation: 'life-1',
    retired: [],
    merged: [],
    dueMs: ledgerMs(world.ledger.nowMs),
    ...changes,
  };
}
