/**
 * Whose the objects in a bucket are (docs/adr/0019): who claims them, who is refused, and what an operator changes by
 * `adopt`. Each installation is a queue, a metadata server and its addresses; the bucket is one in memory.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { compactInode } from '../../src/compact/compact-inode.ts';
import { ownerObjectName, parseObjectName } from '../../src/format.ts';
import type { Filesystem } from '../../src/model.ts';
import { type Installation, OWNER_FRESH_MS, Ownership } from '../../src/reap/bucket-owner.ts';
import { monotonicMs } from '../../src/time.ts';
import { MemoryObjectStores, storeFault } from '../objects/memory-store.ts';
import { fragmentedWorld } from '../sim/scenes.ts';
import { KEY, LIMITS } from '../sim/world.ts';

const FS: Filesystem = {
  fsId: 1,
  uuid: 'u-1',
  name: 'n',
  bucket: 'b',
  objectPrefix: 0,
  blockSize: 16,
  chunkSize: 64,
};
const OWNER = ownerObjectName(1);

/** What stands beside a queue. */
class MemoryInstallation implements Installation {
  value: string | null = null;
  readonly servers = new Map<string, string>();
  readonly others = new Set<string>();
  static #made = 0;

  async id() {
    return this.value;
  }

  async makeId() {
    this.value ??= `installation-${MemoryInstallation.#made++}`;
    return this.value;
  }

  async proven() {
    return this.others;
  }

  async addProven(id: string) {
    this.others.add(id);
  }

  async server(storeId: string) {
    return this.servers.get(storeId) ?? null;
  }

  async setServer(storeId: string, server: string) {
    this.servers.set(storeId, server);
  }

  copy(): MemoryInstallation {
    const copy = new MemoryInstallation();
    copy.value = this.value;
    for (const id of this.others) copy.others.add(id);
    for (const [store, server] of this.servers) copy.servers.set(store, server);
    return copy;
  }
}

let stores: MemoryObjectStores;
let nowMs: number;
let production: MemoryInstallation;
beforeEach(() => {
  stores = new MemoryObjectStores();
  stores.bucket('b');
  nowMs = 0;
  production = new MemoryInstallation();
});

interface Place {
  readonly queue?: MemoryInstallation;
  readonly at?: string;
  readonly server?: string | null;
  readonly storeId?: string;
}

/** A process; without anything else it is one of production's. */
function process({ queue = production, at = 'db:6379/0', server = 'run-1', storeId = 'redis:fs' }: Place = {}) {
  return new Ownership({
    storeId,
    objects: stores,
    installation: queue,
    addresses: [at],
    monotonicMs: () => monotonicMs(nowMs),
    ...(server === null ? {} : { server: async () => server }),
  });
}

const refused = { code: 'bucket-owned', kind: 'halt' };

describe('a claim', () => {
  it('is written by the first one who asks, and no name of the layout', async () => {
    expect(await process().look(FS)).toEqual({ kind: 'none' });
    await process().require(FS);
    expect([...stores.bucket('b').keys()]).toEqual([OWNER]);
    expect(parseObjectName(OWNER)).toBeNull();
    expect(await process().look(FS)).toEqual({ kind: 'own' });
    await process().require(FS);
  });

  it('is not made by a look', async () => {
    await process().look(FS);
    expect(stores.bucket('b').size).toBe(0);
    expect(production.value).toBeNull();
  });

  it('two file systems of different numbers share a bucket', async () => {
    await process().require(FS);
    await process({ queue: new MemoryInstallation(), server: 'run-9' }).require({ ...FS, fsId: 2, uuid: 'u-2' });
  });

  it.each([true, false])('of two at once only one stands, with If-None-Match honoured: %s', async (honoured) => {
    stores.honoursIfNoneMatch = honoured;
    const two = [process(), process({ queue: new MemoryInstallation(), at: 'staging:6379/0', server: 'run-2' })];
    await Promise.allSettled(two.map((one) => one.require(FS)));
    const after = await Promise.allSettled(two.map((one) => one.require(FS)));
    expect(after.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('who needs no bucket', () => {
  const never = new AbortController().signal;

  it('is refused by another owner only', async () => {
    await process().refuseOther(FS, never);
    expect(stores.bucket('b').size).toBe(0);
    await process().require(FS);
    await process().refuseOther(FS, never);
    const copy = process({ queue: new MemoryInstallation(), server: 'run-2' });
    await expect(copy.refuseOther(FS, never)).rejects.toMatchObject(refused);
  });

  it('goes on where the bucket cannot be asked, or does not answer in time', async () => {
    stores.before = () => {
      throw storeFault('store-unavailable');
    };
    await process().refuseOther(FS, never);
    const signals: (AbortSignal | undefined)[] = [];
    const hangs = {
      ...stores.forFilesystem(FS),
      head: (_: string, signal?: AbortSignal) => {
        signals.push(signal);
        return Promise.reject(storeFault('cancelled'));
      },
    };
    const { signal } = new AbortController();
    const one = new Ownership({
      storeId: 'redis:fs',
      installation: production,
      addresses: [],
      monotonicMs: () => monotonicMs(0),
      objects: { forFilesystem: () => hangs, close: () => undefined },
    });
    await one.refuseOther(FS, signal);
    expect(signals).toEqual([signal]);
  });
});

describe('refused is', () => {
  beforeEach(() => process().require(FS));

  it.each<[string, Place, Partial<Filesystem>]>([
    ['another file system under the same number', { storeId: 'redis:fs' }, { uuid: 'u-2' }],
    ['another metadata store with a copy of the uuid', { storeId: 'redis:staging' }, {}],
    ['a copy of the metadata with a queue of its own', { queue: new MemoryInstallation(), server: 'run-2' }, {}],
    ['a copy at another address, on the same queue', { at: 'staging:6379/0', server: 'run-2' }, {}],
    ['CurveFS at other addresses', { at: 'mds9:6700', server: null }, {}],
  ])('%s', async (_, place, changes) => {
    const filesystem = { ...FS, ...changes };
    await expect(process(place).require(filesystem)).rejects.toMatchObject(refused);
    await expect(process(place).guard({ filesystem, keys: [], looks: [], names: [] })).rejects.toMatchObject(refused);
    expect(await process(place).look(filesystem)).toMatchObject({ kind: 'other' });
    await process().require(FS);
  });

  it('a copy of queue and metadata together, served from another address', async () => {
    const copy = { queue: production.copy(), at: 'staging:6379/0', server: 'run-2' };
    await expect(process(copy).require(FS)).rejects.toThrow('s3compact adopt 1');
  });

  it.each(['', '{}', 'not JSON', '{"format":2,"fsId":1}', `{"format":1,"fsId":1,"uuid":"${'x'.repeat(20_000)}"}`])(
    'everybody, where the owner cannot be read: %#',
    async (text) => {
      stores.write('b', OWNER, Buffer.from(text));
      await expect(process().require(FS)).rejects.toMatchObject(refused);
    },
  );
});

describe('ours is still', () => {
  beforeEach(() => process().require(FS));

  it('the metadata server after a restart or a failover, at its address', async () => {
    await process({ server: 'run-2' }).require(FS);
    // By another name then: the same server, through a tunnel.
    await process({ at: 'localhost:7000/0', server: 'run-2' }).require(FS);
  });

  it('the very server that claimed it, by another name', async () => {
    await process({ at: 'localhost:7000/0' }).require(FS);
  });

  it('the server after the queue was lost, and after its next restart', async () => {
    const lost = new MemoryInstallation();
    await process({ queue: lost }).require(FS);
    expect([...lost.others]).toEqual([production.value]);
    await process({ queue: lost, server: 'run-2' }).require(FS);
  });

  it('each of several file systems that were claimed before and after the queue was lost', async () => {
    const lost = new MemoryInstallation();
    const second = { ...FS, fsId: 2, uuid: 'u-2' };
    await process({ queue: lost }).require(second);
    await process({ queue: lost }).require(FS);
    for (const filesystem of [FS, second]) await process({ queue: lost, server: 'run-2' }).require(filesystem);
    // It proves nothing to a copy of the metadata, which has a queue of its own.
    const copy = { queue: new MemoryInstallation(), server: 'run-3' };
    for (const filesystem of [FS, second]) {
      await expect(process(copy).require(filesystem)).rejects.toMatchObject(refused);
    }
  });
});

describe('adopt', () => {
  const restored = { queue: new MemoryInstallation(), at: 'new:6379/0', server: 'run-7' };

  it('makes it ours, and refuses the one before within a minute', async () => {
    const before = process();
    await before.require(FS);
    // Only what was read, and not just claimed, is believed for a while.
    await before.require(FS);
    expect(await process(restored).adopt(FS)).toMatchObject({ kind: 'other', why: expect.stringContaining('db:6379') });
    await process(restored).require(FS);
    nowMs += OWNER_FRESH_MS - 1;
    await before.require(FS);
    nowMs += 1;
    await expect(before.require(FS)).rejects.toMatchObject(refused);
  });

  it('changes nothing where it is ours already, and claims what is nobody’s', async () => {
    expect(await process(restored).adopt(FS)).toEqual({ kind: 'none' });
    const text = stores.bucket('b').get(OWNER);
    expect(await process(restored).adopt(FS)).toEqual({ kind: 'own' });
    expect(stores.bucket('b').get(OWNER)).toBe(text);
  });

  it('says so when the store will not let the owner go', async () => {
    await process().require(FS);
    stores.refuseDelete = () => 'AccessDenied';
    await expect(process(restored).adopt(FS)).rejects.toThrow('AccessDenied');
  });
});

it('a refusal is not kept: after an adoption the next question is answered anew', async () => {
  await process().require(FS);
  const other = process({ queue: new MemoryInstallation(), at: 'new:6379/0', server: 'run-7' });
  await expect(other.require(FS)).rejects.toMatchObject(refused);
  await other.adopt(FS);
  await other.require(FS);
});

it('the bucket is asked once for many deletes at a time', async () => {
  let heads = 0;
  stores.before = (call) => {
    if (call.op === 'head') heads++;
  };
  const one = process();
  await one.require(FS);
  heads = 0;
  await Promise.all(Array.from({ length: 50 }, () => one.guard({ filesystem: FS, keys: [], looks: [], names: [] })));
  expect(heads).toBe(1);
});

it('a run in a bucket that belongs to another writes nothing: no fence, no record, no object', async () => {
  const world = fragmentedWorld();
  const before = world.objectNames();
  const run = { ...world.deps(), requireOwner: () => Promise.reject(storeFault('bucket-owned')) };
  await expect(compactInode(KEY, run, { limits: LIMITS })).rejects.toMatchObject({ code: 'bucket-owned' });
  expect(world.objectNames()).toEqual(before);
  expect(world.ledger.records.size).toBe(0);
  expect(world.metadata.at(KEY)?.inode.attempt).toBeUndefined();
});
