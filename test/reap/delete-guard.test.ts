/** The guards that are asked right before a delete: the first that objects stops it, and nothing is deleted (I10). */
import { expect, test } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import { passGuards } from '../../src/reap/delete-guard.ts';
import { reapRecord } from '../../src/reap/reap-record.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';

const refusal = new CompactError('a hold stands', { kind: 'retry', code: 'store-refused' });

test('guards are asked in order, and the first that throws ends it', async () => {
  const world = new World();
  const about = { filesystem: world.filesystem, keys: [KEY], looks: [] };
  const asked: string[] = [];
  const guard = (name: string, error?: Error) => async () => {
    asked.push(name);
    if (error !== undefined) throw error;
  };
  await passGuards(undefined, about);
  await passGuards([guard('a'), guard('b')], about);
  await expect(passGuards([guard('c'), guard('d', refusal), guard('e')], about)).rejects.toBe(refusal);
  expect(asked).toEqual(['a', 'b', 'c', 'd']);
});

test('a record whose delete is refused stays as it is, with the reason, and no object goes', async () => {
  const world = new World();
  world.write(0, 20);
  world.stores.write('world', 'old', Buffer.from('old'));
  const record: ReapRecord = {
    ...{ storeId: 'memory:fs', fsUuid: 'uuid-1', bucket: 'world', key: KEY, chunkIndex: 0, attempt: 4096n },
    ...{ incarnation: 'life-1', retired: ['old'], merged: [], dueMs: world.ledger.nowMs, stampMs: 0 },
  };
  const verdict = await reapRecord(record, {
    ...{ metadata: new MemoryMetadata(world.metadata), objects: world.stores, graceMs: LIMITS.graceMs },
    nowMs: async () => world.ledger.nowMs,
    guards: [async () => Promise.reject(refusal)],
  });
  expect(verdict).toMatchObject({ kind: 'again', doubt: 'a hold stands', record: { retired: ['old'] } });
  expect(world.stores.bucket('world').has('old')).toBe(true);
});

test('a record of which everything is referenced is not dropped on the word of a server that no guard confirms', async () => {
  const world = new World();
  world.write(0, 20);
  const [referenced = ''] = [...world.stores.bucket('world').keys()];
  const record: ReapRecord = {
    ...{ storeId: 'memory:fs', fsUuid: 'uuid-1', bucket: 'world', key: KEY, chunkIndex: 0, attempt: 4096n },
    ...{ incarnation: 'life-1', retired: [referenced], merged: [], dueMs: world.ledger.nowMs },
  };
  const deps = {
    ...{ metadata: new MemoryMetadata(world.metadata), objects: world.stores, graceMs: LIMITS.graceMs },
    nowMs: async () => world.ledger.nowMs,
  };
  const refused = await reapRecord(record, { ...deps, guards: [async () => Promise.reject(refusal)] });
  expect(refused).toMatchObject({ kind: 'again', doubt: 'a hold stands', record: { retired: [referenced] } });
  expect(await reapRecord(record, deps)).toEqual({ kind: 'done', deleted: 0, stillNamed: 1 });
});
