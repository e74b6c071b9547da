/**
 * What changes a JuiceFS volume, against a real Redis: ids, fence, commit and references, byte for byte by an encoder that
 * shares no code with the adapter. References are recounted over all lists and delayed deletes after each commit.
 */
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { SliceRecord } from '../../../src/layout/slices/index.ts';
import { JuicefsCommits } from '../../../src/metadata/juicefs/commits.ts';
import type { SliceCommitRequest, SliceFence } from '../../../src/metadata/slice-commits.ts';
import { encodeDelayed, encodeSlice, type RawSlice } from '../../kit/juicefs/encode.ts';
import { RawVolume, wholeSlice } from '../../kit/juicefs/raw-volume.ts';
import { type ModelObjects, ModelVolume } from '../../kit/juicefs-client/volume.ts';
import { uniquePrefix } from '../../setup/isolation.ts';

const INODE = 7n;
const NO_OBJECTS = {} as ModelObjects;
const OWN = { first: 1_000_001n, count: 100 };

let redis: Redis;
let raw: RawVolume;
let commits: JuicefsCommits;

const key = (name: string) => `${raw.prefix}${name}`;

beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});

afterAll(() => redis.quit());

beforeEach(async () => {
  raw = new RawVolume(redis, `{${uniquePrefix('commits')}}`);
  await redis.set(key('nextchunk'), '999');
  commits = new JuicefsCommits({ redis, prefix: raw.prefix, timeoutMs: 10_000, idsAgeMs: 0 });
});

async function serverMs(): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

async function fenceFor(attempt: bigint, chunkIndex = 0): Promise<SliceFence> {
  const fence = { attempt, inodeId: INODE, chunkIndex, deadlineMs: Math.floor(await serverMs()) + 600_000 };
  expect(await commits.begin(fence)).toBe('begun');
  return fence;
}

const recordOf = ({ pos, id, size, off, len }: RawSlice): SliceRecord => ({
  offset: pos,
  len,
  id: BigInt(id),
  size,
  from: off,
});
const own = (n: number, pos: number, size: number) => wholeSlice(Number(OWN.first) + n, pos, size);

function request(
  fence: SliceFence,
  replaced: readonly RawSlice[],
  replacement: readonly RawSlice[],
): SliceCommitRequest {
  return {
    fence,
    ids: OWN,
    delayMs: 0,
    replaced: replaced.map(recordOf),
    replacement: replacement.map(recordOf),
  };
}

async function listOf(chunk = 0): Promise<string[]> {
  return (await redis.lrangeBuffer(key(`c${INODE}_${chunk}`), 0, -1)).map((value) => value.toString('hex'));
}

const hex = (slices: readonly RawSlice[]) => slices.map((slice) => encodeSlice(slice).toString('hex'));

/** Every key but our own hash, as it is. */
async function others(): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {};
  for (const name of (await redis.keys(`${raw.prefix}*`)).toSorted())
    if (name !== key('~s3compact')) found[name] = (await redis.dumpBuffer(name))?.toString('hex');
  return found;
}

/** References as they should be: one for each record and each entry of a delayed delete, less one; none of the new slices. */
async function recounted(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = (id: bigint, size: number) => {
    if (id !== 0n) counts[`k${id}_${size}`] = (counts[`k${id}_${size}`] ?? -1) + 1;
  };
  for (const list of await redis.keys(`${raw.prefix}c*`))
    for (const value of await redis.lrangeBuffer(list, 0, -1)) count(value.readBigUInt64BE(4), value.readUInt32BE(12));
  for (const value of Object.values(await redis.hgetallBuffer(key('delSlices'))))
    for (let at = 0; at < value.length; at += 12) count(value.readBigUInt64BE(at), value.readUInt32BE(at + 8));
  return Object.fromEntries(Object.entries(counts).filter(([, more]) => more !== 0));
}

async function stored(): Promise<Record<string, number>> {
  const values = Object.entries(await redis.hgetall(key('sliceRef'))).map(([field, text]) => [field, Number(text)]);
  return Object.fromEntries(values.filter(([, more]) => more !== 0));
}

describe('ids', () => {
  it('come from batches that clients never get, each once', async () => {
    const taken: bigint[] = [];
    for (const count of [1, 3, 2_048, 2_048]) {
      const ids = await commits.takeIds(count, 5n);
      if (ids.first === null) throw new Error('they were to be had at once');
      for (let n = 0; n < count; n++) taken.push(ids.first + BigInt(n));
    }
    expect(new Set(taken).size).toBe(taken.length);
    expect(Math.min(...taken.map(Number))).toBeGreaterThanOrEqual(1_000);
    // What a client is given next is behind all of them.
    const end = await redis.incrby(key('nextchunk'), 4_096);
    expect(end - 4_096).toBeGreaterThanOrEqual(Math.max(...taken.map(Number)));
    await expect(commits.takeIds(2_049, 5n)).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
  });

  it('are used only when they are a minute old', async () => {
    const careful = new JuicefsCommits({ redis, prefix: raw.prefix, timeoutMs: 10_000 });
    const first = await careful.takeIds(1, 5n);
    expect(first).toEqual({ first: null, waitMs: 60_000 });
    expect(await careful.takeIds(1, 5n)).toMatchObject({ first: null });
    const [from, to, since, life] = String(await redis.hget(key('~s3compact'), 'ids')).split(' ');
    await redis.hset(key('~s3compact'), 'ids', `${from} ${to} ${Number(since) - 60_001} ${life}`);
    expect(await careful.takeIds(1, 5n)).toMatchObject({ first: BigInt(from ?? '') });
  });

  it('of a server whose clock has stepped back are to be had a minute later all the same', async () => {
    const careful = new JuicefsCommits({ redis, prefix: raw.prefix, timeoutMs: 10_000 });
    await careful.takeIds(1, 5n);
    const [from, to, , life] = String(await redis.hget(key('~s3compact'), 'ids')).split(' ');
    const tomorrow = Math.floor(await serverMs()) + 86_400_000;
    await redis.hset(key('~s3compact'), 'ids', `${from} ${to} ${tomorrow} ${life}`);
    expect(await careful.takeIds(1, 5n)).toEqual({ first: null, waitMs: 60_000 });
  });

  it('of a server that has forgotten some are not used', async () => {
    await commits.takeIds(1, 5n);
    const batch = await redis.hget(key('~s3compact'), 'ids');
    await redis.set(key('nextchunk'), '5000');
    const { first } = await commits.takeIds(1, 5n);
    expect(first).toBe(5_001n);
    expect(await redis.hget(key('~s3compact'), 'ids')).not.toBe(batch);
  });

  it('of another life of the server are none that a client may hold', async () => {
    let life = 'first:life';
    vi.spyOn(commits, 'incarnation').mockImplementation(async () => life);
    const options = { redis, prefix: raw.prefix, objects: NO_OBJECTS, name: 'vol', blockSize: 1024, trashDays: 1 };
    const client = new ModelVolume(options);
    const held = [];
    const ours = new Set<number>();
    const take = async () => {
      for (let n = 0; n < 20; n++) {
        const { first } = await commits.takeIds(2_048, 5n);
        for (let id = 0; id < 2_048; id++) ours.add(Number(first) + id);
      }
    };
    // Each life loses all that was given out in it, its own leap too; the client keeps what it has.
    for (life of ['first:life', 'second:life', 'third:life']) {
      const kept = { counter: await redis.get(key('nextchunk')), own: await redis.hget(key('~s3compact'), 'ids') };
      await commits.takeIds(1, 5n);
      for (let n = 0; n < 4_096; n++) held.push(await client.newId());
      await redis.set(key('nextchunk'), kept.counter ?? '');
      if (kept.own === null) await redis.hdel(key('~s3compact'), 'ids');
      else await redis.hset(key('~s3compact'), 'ids', kept.own);
    }
    life = 'fourth:life';
    await take();
    expect(held.filter((id) => ours.has(id))).toEqual([]);
    // It goes on from there: only a life leaps.
    expect(ours.size).toBe(20 * 2_048);
    expect(Math.max(...ours) - Math.min(...ours)).toBeLessThan(4 * 16_384);
  });

  it('that a volume has by the form of an older build are not used', async () => {
    await redis.set(key('nextchunk'), '5000');
    await redis.hset(key('~s3compact'), 'ids', '1000 4000 0');
    const { first } = await commits.takeIds(1, 5n);
    expect(Number(first)).toBeGreaterThan(2 ** 24);
    expect(await redis.get(key('nextchunk'))).toBe(`${Number(first) + 16_383}`);
  });

  it('are refused where the counter is behind what lists name, or is none', async () => {
    const behind = await commits.takeIds(1, 1_000n).catch((error: unknown) => error);
    expect(behind).toMatchObject({ kind: 'halt', code: 'filesystem-malformed' });
    // What it says to do is enough.
    const [, command, by] = / (INCRBY) \S+ (\d+);/.exec(`${behind}`) ?? [];
    expect(command).toBe('INCRBY');
    await redis.incrby(key('nextchunk'), `${by}`);
    await expect(commits.takeIds(1, 1_000n)).resolves.toBeDefined();
    // A record that nobody can have written does not spoil the counter.
    await expect(commits.takeIds(1, 2n ** 60n)).rejects.toThrow('leave the counter as it is');
    await redis.set(key('nextchunk'), `${2 ** 53 - 1}`);
    await expect(commits.takeIds(1, 5n)).rejects.toThrow('all ids of this volume are given out');
    for (const damage of [() => redis.set(key('nextchunk'), 'x'), () => redis.del(key('nextchunk'))]) {
      await damage();
      const before = await others();
      const message = expect.stringContaining('no ids can be taken from it');
      await expect(commits.takeIds(1, 5n)).rejects.toMatchObject({ code: 'filesystem-malformed', message });
      expect(await others()).toEqual(before);
    }
  });
});

describe('a fence', () => {
  it('is set once, before its deadline', async () => {
    const fence = await fenceFor(1n);
    expect(await commits.begin(fence)).toBe('taken');
    expect(await commits.begin({ ...fence, attempt: 2n, deadlineMs: (await serverMs()) - 1_000 })).toBe('late');
    expect(await commits.clear(2n)).toEqual({ state: 'absent' });
  });

  it('that was cleared lets nothing be committed any more', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)];
    await raw.list(7, 0, list);
    const fence = await fenceFor(1n);
    expect(await commits.clear(1n)).toEqual({ state: 'cleared' });
    expect(await commits.commit(request(fence, list, [own(1, 0, 15)]))).toEqual({ outcome: 'stale', reason: 'fence' });
    expect(await commits.clear(1n)).toEqual({ state: 'cleared' });
    expect(await listOf()).toEqual(hex(list));
    await commits.forget(1n);
    expect(await redis.hexists(key('~s3compact'), '1')).toBe(0);
  });

  it('tells of a commit however often it is asked, and whatever has become of the list', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)];
    await raw.list(7, 0, list);
    const fence = await fenceFor(1n);
    expect(await commits.commit(request(fence, list, [own(1, 0, 15)]))).toEqual({ outcome: 'committed' });
    expect(await commits.commit(request(fence, list, [own(1, 0, 15)]))).toEqual({ outcome: 'stale', reason: 'fence' });
    await redis.del(key(`c${INODE}_0`), key('sliceRef'));
    for (let n = 0; n < 2; n++) expect(await commits.clear(1n)).toEqual({ state: 'committed' });
  });

  it('is of one attempt, one chunk and one deadline', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)];
    await raw.list(7, 0, list);
    await raw.list(7, 1, list);
    const fence = await fenceFor(1n);
    for (const other of [{ attempt: 2n }, { chunkIndex: 1 }, { deadlineMs: fence.deadlineMs + 1 }]) {
      const wrong = request({ ...fence, ...other }, list, [own(1, 0, 15)]);
      expect(await commits.commit(wrong)).toEqual({ outcome: 'stale', reason: 'fence' });
    }
    expect([await listOf(0), await listOf(1)]).toEqual([hex(list), hex(list)]);
  });

  it('is worth nothing after its deadline', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)];
    await raw.list(7, 0, list);
    const fence = { attempt: 1n, inodeId: INODE, chunkIndex: 0, deadlineMs: Math.floor(await serverMs()) + 300 };
    expect(await commits.begin(fence)).toBe('begun');
    while ((await serverMs()) <= fence.deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await commits.commit(request(fence, list, [own(1, 0, 15)]))).toMatchObject({ outcome: 'stale' });
    expect(await listOf()).toEqual(hex(list));
  });
});

describe('a commit', () => {
  it('replaces the head, keeps what was appended, and lets go by a delayed delete of its own', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10), { pos: 3, id: 0, size: 0, off: 0, len: 2 }];
    await raw.list(7, 0, list);
    const fence = await fenceFor(1n);
    const late = wholeSlice(3, 2, 4);
    await raw.list(7, 0, [late]);
    const kept = { ...wholeSlice(2, 6, 10), off: 1, len: 9 };
    const before = await serverMs();
    expect(await commits.commit({ ...request(fence, list, [own(1, 0, 6), kept]), delayMs: 5_000 })).toEqual({
      outcome: 'committed',
    });
    expect(await listOf()).toEqual(hex([own(1, 0, 6), kept, late]));
    const [[field = '', value] = []] = Object.entries(await redis.hgetallBuffer(key('delSlices')));
    const [id, seconds] = field.split('_').map(Number);
    expect(id).toBe(Number(OWN.first));
    expect(seconds).toBeGreaterThanOrEqual(Math.floor(before / 1000) + 5);
    expect(seconds).toBeLessThanOrEqual(Math.floor((await serverMs()) / 1000) + 5);
    expect(value).toEqual(encodeDelayed([{ id: 1, size: 10 }]));
    expect(await stored()).toEqual(await recounted());
  });

  it('may leave nothing', async () => {
    const list = [wholeSlice(1, 0, 10), { pos: 0, id: 0, size: 0, off: 0, len: 10 }];
    await raw.list(7, 0, list);
    expect(await commits.commit(request(await fenceFor(1n), list, []))).toEqual({ outcome: 'committed' });
    expect(await redis.exists(key(`c${INODE}_0`))).toBe(0);
    expect(await stored()).toEqual(await recounted());
  });

  it('keeps references exact, whatever is shared, cut or repeated', async () => {
    const raws = fc.array(
      fc.record({ id: fc.integer({ min: 0, max: 6 }), off: fc.nat({ max: 20 }), len: fc.integer({ min: 1, max: 9 }) }),
      { minLength: 1, maxLength: 8 },
    );
    const sizeOf = (id: number) => (id === 0 ? 0 : 30 + id);
    let attempt = 0n;
    await fc.assert(
      fc.asyncProperty(raws, raws, raws, fc.nat({ max: 3 }), async (first, other, wanted, merged) => {
        await redis.del(key(`c${INODE}_0`), key('c8_0'), key('sliceRef'), key('delSlices'), key('~s3compact'));
        const slices = (from: typeof first) =>
          from.map(({ id, ...part }, n) => ({ pos: n * 50, id, size: sizeOf(id), ...part }));
        const list = slices(first);
        await raw.list(7, 0, list);
        await raw.list(8, 0, slices(other));
        for (const [field, more] of Object.entries(await recounted())) await redis.hset(key('sliceRef'), field, more);
        const known = new Set(list.map(({ id }) => id));
        const kept = slices(wanted).filter(({ id }) => id !== 0 && known.has(id));
        const fresh = Array.from({ length: merged }, (_, n) => own(n + 1, 1_000 + n * 50, 40));
        const ids = { first: OWN.first + ++attempt * 1_000n, count: 100 };
        const moved = fresh.map((slice) => ({ ...slice, id: slice.id + Number(attempt) * 1_000 }));
        const asked = { ...request(await fenceFor(attempt), list, [...kept, ...moved]), ids };
        expect(await commits.commit(asked)).toEqual({ outcome: 'committed' });
        expect(await listOf()).toEqual(hex([...kept, ...moved]));
        expect(await stored()).toEqual(await recounted());
        // All that was let go: then nothing is counted that no list names.
        const state = await commits.release(attempt);
        const live = new Set<number>([...kept, ...moved, ...slices(other)].map(({ id }) => id));
        const gone = new Set(list.map(({ id }) => id).filter((id) => id !== 0 && !live.has(id)));
        const told = typeof state === 'object' && state.state === 'deleting' ? state.slices : [];
        expect(new Set(told.map(({ id }) => Number(id)))).toEqual(gone);
        await commits.forget(attempt, told);
        expect(await stored()).toEqual(await recounted());
      }),
      { numRuns: 150 },
    );
  });

  it('changes nothing where the list is not the one that was read', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)];
    const changed = [
      [wholeSlice(1, 0, 10)],
      [wholeSlice(1, 0, 10), wholeSlice(3, 5, 10)],
      [wholeSlice(2, 5, 10), wholeSlice(1, 0, 10)],
      [Buffer.concat(list.map(encodeSlice)).subarray(0, 25), Buffer.concat(list.map(encodeSlice)).subarray(25)],
      [],
    ];
    for (const [n, now] of changed.entries()) {
      await redis.del(key(`c${INODE}_0`));
      if (now.length > 0) await raw.list(7, 0, now);
      const before = await others();
      const asked = request(await fenceFor(BigInt(n + 1)), list, [own(1, 0, 15)]);
      expect(await commits.commit(asked)).toEqual({ outcome: 'conflict' });
      expect(await others()).toEqual(before);
    }
  });

  it('changes nothing where a count cannot be counted on with', async () => {
    // Redis adds nothing to such a number, and a script that fails half-way is not undone.
    for (const [n, value] of ['00', '99999999999999999999'].entries()) {
      await redis.del(key(`c${INODE}_0`), key('sliceRef'));
      const list = [wholeSlice(1, 0, 10), wholeSlice(2, 20, 10), { pos: 3, id: 0, size: 0, off: 0, len: 2 }];
      await raw.list(7, 0, list);
      await redis.hset(key('sliceRef'), 'k2_10', value);
      const before = await others();
      const parts = list.slice(0, 2).flatMap(({ pos, ...slice }) => [
        { ...slice, pos, len: 2 },
        { ...slice, pos: pos + 5, off: 5, len: 5 },
      ]);
      const asked = commits.commit(request(await fenceFor(BigInt(n + 1)), list, parts));
      await expect(asked).rejects.toMatchObject({ code: 'record-malformed' });
      expect(await others()).toEqual(before);
    }
  });

  it('changes nothing where a count, or an id, is in doubt', async () => {
    // The second record of slice 1 came twice, and the count knows of one (facts of JuiceFS issue 3008).
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10), wholeSlice(1, 0, 10)];
    await raw.list(7, 0, list);
    const doubts: [field: string, value: string, says: string][] = [
      [
        'k1_10',
        '0',
        'inode 7, chunk 0, record 0: the references of its slice (k1_10 in sliceRef) are 0, but 2 records',
      ],
      ['k2_10', '-1', 'record 1'],
      ['k2_10', 'many', 'record 1'],
      [`k${OWN.first + 1n}_15`, '0', 'is in use already'],
    ];
    for (const [n, [field, value, says]] of doubts.entries()) {
      await redis.del(key('sliceRef'));
      await redis.hset(key('sliceRef'), 'k1_10', '1');
      await redis.hset(key('sliceRef'), field, value);
      const before = await others();
      const asked = commits.commit(request(await fenceFor(BigInt(n + 1)), list, [own(1, 0, 15)]));
      await expect(asked).rejects.toMatchObject({ kind: 'halt', code: 'record-malformed' });
      await expect(asked).rejects.toThrow(says);
      expect(await others()).toEqual(before);
    }
    const known = request(await fenceFor(9n), [own(3, 0, 10)], []);
    await expect(commits.commit(known)).rejects.toThrow('is in use already');
  });

  it('takes no replacement that clients could crash on', async () => {
    const list = [wholeSlice(1, 0, 10)];
    await raw.list(7, 0, list);
    const fence = await fenceFor(1n);
    for (const bad of [
      [wholeSlice(1, 0, 10), wholeSlice(1, 0, 10)],
      [own(1, 0, 6), wholeSlice(1, 5, 5)],
      [own(1, 5, 5), wholeSlice(1, 0, 5)],
    ])
      await expect(commits.commit(request(fence, [...list, ...list], bad))).rejects.toMatchObject({
        code: 'metadata-refused',
        message: expect.stringMatching(/^inode 1\/7: chunk 0: .* overlap, .* report it/),
      });
    expect(await listOf()).toEqual(hex(list));
  });

  it.each([
    ['replaces nothing', 0, 1],
    ['replaces more than 1,000', 1_001, 1],
    ['writes more than 1,000', 2, 1_001],
  ])('I8: that %s is refused before anything is sent, by the name of its inode', async (_, replaced, replacement) => {
    const records = (count: number) => Array.from({ length: count }, (_, n) => wholeSlice(n + 1, n, 1));
    const asked = commits.commit(request(await fenceFor(1n), records(replaced), records(replacement)));
    await expect(asked).rejects.toMatchObject({
      kind: 'halt',
      code: 'metadata-refused',
      inode: { fsId: 1, inodeId: 7n },
      message: expect.stringContaining(`inode 1/7: chunk 0: a commit replaces 1 to 1000 records`),
    });
    expect(await listOf()).toEqual([]);
  });

  it('is refused by the name of a key of another type', async () => {
    const list = [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)];
    await raw.list(7, 0, list);
    for (const [n, name] of ['sliceRef', 'delSlices'].entries()) {
      await redis.set(key(name), 'text');
      const asked = commits.commit(request(await fenceFor(BigInt(n + 1)), list, [own(1, 0, 15)]));
      await expect(asked).rejects.toThrow(key(name));
      expect(await listOf()).toEqual(hex(list));
      await redis.del(key(name));
    }
  });
});

describe('what was let go', () => {
  const list = [wholeSlice(1, 0, 10), wholeSlice(2, 0, 10), wholeSlice(3, 0, 10)];

  async function committed(delayMs = 0): Promise<void> {
    await raw.list(7, 0, list);
    // A clone has slice 2.
    await raw.list(8, 0, [wholeSlice(2, 0, 10)]);
    await raw.references(2, 10, 2);
    const asked = request(await fenceFor(1n), list, [wholeSlice(3, 0, 10)]);
    expect(await commits.commit({ ...asked, delayMs })).toEqual({ outcome: 'committed' });
  }

  it('is released once it is due, and told until it is forgotten', async () => {
    await committed();
    const deleting = { state: 'deleting', slices: [{ id: 1n, size: 10 }] };
    for (let n = 0; n < 2; n++) expect(await commits.release(1n)).toEqual(deleting);
    expect(await commits.clear(1n)).toEqual(deleting);
    expect(await redis.hgetall(key('sliceRef'))).toMatchObject({ k1_10: '-1', k2_10: '0' });
    await commits.forget(1n, deleting.slices);
    expect(await redis.hgetall(key('sliceRef'))).toEqual({ k2_10: '0' });
    expect(await commits.release(1n)).toEqual({ state: 'absent' });
    expect(await redis.exists(key('~s3compact'))).toBe(0);
  });

  it('waits for its time', async () => {
    await committed(60_000);
    const before = await others();
    expect(await commits.release(1n)).toBe('early');
    expect(await others()).toEqual(before);
  });

  it('is left to a client that has taken it', async () => {
    await committed();
    await redis.del(key('delSlices'));
    const before = await others();
    expect(await commits.release(1n)).toEqual({ state: 'absent' });
    expect(await others()).toEqual(before);
  });

  it('of an attempt that was cleared, or never began, is nothing', async () => {
    await fenceFor(5n);
    await commits.clear(5n);
    expect(await commits.release(5n)).toEqual({ state: 'cleared' });
    expect(await commits.release(6n)).toEqual({ state: 'absent' });
  });

  it('keeps a slice that was referenced again', async () => {
    await committed();
    await commits.release(1n);
    await redis.hset(key('sliceRef'), 'k1_10', '0');
    await commits.forget(1n, [{ id: 1n, size: 10 }]);
    expect(await redis.hget(key('sliceRef'), 'k1_10')).toBe('0');
  });
});
