/**
 * What a run's ending means for its inode, on real Redis and a file in memory: an upload that is late is waited for and
 * stops work on the inode only when run after run meets it, whatever else failed or went well in between.
 */

import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { printInodeKey } from '../../src/format.ts';
import { CompactQueue } from '../../src/queue/compact-queue.ts';
import { Quarantine } from '../../src/queue/quarantine.ts';
import { ledgerMs } from '../../src/time.ts';
import { compactorOfBlocks, type RunReport, runInode } from '../../src/wiring/run-inode.ts';
import { storeFault } from '../objects/memory-store.ts';
import { openQueueWorld, type QueueWorld } from '../queue/world.ts';
import { fragmentedWorld } from '../sim/scenes.ts';
import { KEY, LIMITS, type World } from '../sim/world.ts';

const JOB_TRIES = 3;
const worlds: QueueWorld[] = [];
const queues: CompactQueue[] = [];
let servers: QueueWorld;
let world: World;
let queue: CompactQueue;

beforeEach(() => {
  servers = openQueueWorld('run');
  worlds.push(servers);
  world = fragmentedWorld();
  const { redis: connection, prefix } = servers;
  queue = new CompactQueue({ connection, prefix, jobTries: JOB_TRIES, retryDelayMs: 50 });
  queues.push(queue);
});
afterAll(async () => {
  for (const one of queues) await one.close();
  for (const one of worlds) one.close();
});

/** A book of its own for every look: what counts must outlive the process that counted it. */
function book(): Quarantine {
  return new Quarantine({ connection: servers.redis, prefix: servers.prefix }, 'store');
}

function run(limits = LIMITS, uploadWaitMs = 0): Promise<RunReport> {
  const { ledger } = world.deps();
  const deps = { ledger, limits, queue, quarantine: book(), jobTries: JOB_TRIES, uploadWaitMs };
  return runInode(KEY, { ...deps, compact: compactorOfBlocks(world.deps()) });
}

/** Reads of what was written to the second chunk (chunkIds 9 to 14) find nothing. */
function loseSecondChunk(): void {
  world.stores.before = (call) => {
    const chunkId = Number(call.names[0]?.split('_')[2]);
    if (call.op === 'get' && chunkId > 8 && chunkId < 15) throw storeFault('object-missing');
  };
}

function failReads(code: 'object-missing' | 'object-short' | 'store-unavailable' | null): void {
  world.stores.before =
    code === null
      ? undefined
      : (call) => {
          if (call.op === 'get') throw storeFault(code);
        };
}

async function endings(codes: readonly Parameters<typeof failReads>[0][]): Promise<string[]> {
  const seen: string[] = [];
  for (const code of codes) {
    failReads(code);
    seen.push((await run()).ending);
  }
  return seen;
}

describe('a missing or short object', () => {
  it('stops work on the inode after as many runs in a row as a job has tries', async () => {
    expect(await endings(['object-missing', 'object-short', 'object-missing'])).toEqual([
      'later',
      'later',
      'quarantined',
    ]);
    const entry = await book().get(KEY);
    expect(entry?.code).toBe('object-missing');
    expect(entry?.reason).not.toMatch(/\b(?:later|again|repeated)\b/);
  });

  it('is not joined by tries that failed for another reason', async () => {
    const outages = Array<'store-unavailable'>(JOB_TRIES + 1).fill('store-unavailable');
    expect(await endings([...outages, 'object-missing'])).toEqual(Array(JOB_TRIES + 2).fill('later'));
    expect(await book().get(KEY)).toBeNull();
  });

  it('is forgotten when a run goes well', async () => {
    expect(await endings(['object-missing', 'object-missing', null])).toEqual(['later', 'later', 'done']);
    world.write(2, 20);
    for (let n = 0; n < 4; n++) world.write(n, 3);
    expect(await endings(['object-missing', 'object-missing'])).toEqual(['later', 'later']);
  });

  it('is forgotten when the inode is released', async () => {
    await endings(['object-missing', 'object-missing', 'object-missing']);
    await book().release(KEY);
    expect(await endings(['object-missing'])).toEqual(['later']);
  });

  it('is waited for as long as clients take to upload: looked at again and again, and no try is charged', async () => {
    const hour = 3_600_000;
    failReads('object-missing');
    const seen: RunReport[] = [];
    for (let runs = 0; runs < JOB_TRIES + 6; runs++) {
      seen.push(await run(LIMITS, hour));
      world.ledger.nowMs += seen.at(-1)?.lookAgainMs ?? 1_000;
    }
    expect(seen.slice(0, JOB_TRIES - 1).map(({ lookAgainMs }) => lookAgainMs)).toEqual(
      Array(JOB_TRIES - 1).fill(undefined),
    );
    const looks = seen.slice(JOB_TRIES - 1, -1).map(({ lookAgainMs = 0 }) => lookAgainMs);
    expect(Math.max(...looks)).toBe(600_000);
    expect(looks.reduce((sum, ms) => sum + ms, (JOB_TRIES - 1) * 1_000)).toBe(hour);
    expect(seen.map(({ ending }) => ending)).toEqual([...Array(JOB_TRIES + 5).fill('later'), 'quarantined']);
  });

  it('is looked for again by itself, later each time; the inode is released when it has come', async () => {
    const hour = 3_600_000;
    await endings(['object-missing', 'object-missing', 'object-missing']);
    const beganMs = world.ledger.nowMs;
    const waits: number[] = [];
    for (let looks = 0; looks < 7; looks++) {
      const { lookAtMs = 0 } = (await book().get(KEY)) ?? {};
      waits.push((lookAtMs - world.ledger.nowMs) / hour);
      expect(await book().among([KEY], ledgerMs(lookAtMs - 1))).toEqual(new Set([printInodeKey(KEY)]));
      expect(await book().among([KEY], ledgerMs(lookAtMs))).toEqual(new Set());
      world.ledger.nowMs = lookAtMs - 1;
      expect((await run()).message).toContain('is in quarantine');
      world.ledger.nowMs = lookAtMs;
      expect((await run()).message).not.toMatch(/is in quarantine|again later/);
    }
    expect(waits).toEqual([1, 1, 2, 4, 8, 16, 24]);
    expect((await book().get(KEY))?.sinceMs).toBe(beganMs);
    failReads(null);
    expect((await run()).ending).toBe('quarantined');
    world.ledger.nowMs = (await book().get(KEY))?.lookAtMs ?? 0;
    expect((await run()).ending).toBe('done');
    expect(await book().get(KEY)).toBeNull();
  });

  it('is not looked for again where a look finds a list that breaks the format: a person must', async () => {
    await endings(['object-missing', 'object-missing', 'object-missing']);
    failReads(null);
    world.metadata
      .at(KEY)
      ?.lists.set(0, [{ chunkId: 99n, compaction: 0n, offset: 60, len: 10, size: 10, zero: false }]);
    world.ledger.nowMs = (await book().get(KEY))?.lookAtMs ?? 0;
    expect((await run()).ending).toBe('quarantined');
    expect(await book().get(KEY)).toMatchObject({ code: 'list-invalid' });
    expect((await book().get(KEY))?.lookAtMs).toBeUndefined();
  });

  it('leaves the quarantine with the inode that is gone', async () => {
    await endings(['object-missing', 'object-missing', 'object-missing']);
    world.unlink();
    world.ledger.nowMs = (await book().get(KEY))?.lookAtMs ?? 0;
    expect((await run()).ending).toBe('gone');
    expect(await book().get(KEY)).toBeNull();
  });

  it('leaves a count that expires', async () => {
    await endings(['object-missing']);
    const [name = ''] = await servers.redis.keys(`${servers.prefix}:missing:*`);
    expect(await servers.redis.pttl(name)).toBeGreaterThan(24 * 3600 * 1000);
  });
});

describe('one chunk misses an object and another is compacted', () => {
  it('tells what was done, and the run is tried again later, not at once', async () => {
    loseSecondChunk();
    const report = await run();
    expect(report).toMatchObject({ ending: 'later', outcome: 'compacted', code: 'object-missing', continued: false });
    expect(report).toMatchObject({ chunksCompacted: 1, chunksLeft: 1 });
    expect(await queue.jobIdOf(KEY)).toBeNull();
  });

  it('does not hide the missing object, whatever is written to other chunks between the runs', async () => {
    loseSecondChunk();
    const seen: RunReport[] = [];
    for (let runs = 0; runs < JOB_TRIES; runs++) {
      for (let n = 0; n < 6; n++) world.write(n * 4, 3);
      seen.push(await run());
    }
    expect(seen.map((report) => report.ending)).toEqual(['later', 'later', 'quarantined']);
    expect(seen.map((report) => report.chunksCompacted)).toEqual([1, 1, 1]);
  });
});

it('I3: an object of another content under an own name stops work on the inode, although another chunk was compacted', async () => {
  world.stores.before = (call) => {
    const chunkId = Number(call.names[0]?.split('_')[2]);
    if (call.op === 'put' && chunkId > 8) throw storeFault('object-collision');
  };
  expect(await run()).toMatchObject({ ending: 'quarantined', code: 'object-collision', chunksCompacted: 1 });
  expect((await book().get(KEY))?.code).toBe('object-collision');
});

it('I10: a list that breaks the format stops work on the inode at once, and no run starts until it is released', async () => {
  const list = [...(world.lists().get(0) ?? [])];
  const bad = { chunkId: 99n, compaction: 0n, offset: 60, len: 10, size: 10, zero: false };
  world.metadata.at(KEY)?.lists.set(0, [...list, bad]);
  expect(await run()).toMatchObject({ ending: 'quarantined', code: 'list-invalid' });
  world.metadata.at(KEY)?.lists.set(0, list);
  const stopped = await run();
  expect(stopped).toMatchObject({ ending: 'quarantined', code: 'list-invalid' });
  expect(stopped.message).toContain('crosses the border');
  await book().release(KEY);
  expect(await run()).toMatchObject({ ending: 'done', outcome: 'compacted' });
});

describe('a stop', () => {
  it('ends a run that waits to learn whose the bucket is, and nothing is counted against the inode', async () => {
    const stop = new AbortController();
    const asked = Promise.withResolvers<void>();
    const requireOwner = (): Promise<void> => {
      asked.resolve();
      return new Promise(() => undefined);
    };
    const { ledger } = world.deps();
    const deps = { ledger, limits: LIMITS, queue, quarantine: book(), jobTries: 1, uploadWaitMs: 0 };
    const compact = compactorOfBlocks({ ...world.deps(), requireOwner });
    const ended = runInode(KEY, { ...deps, compact }, { signal: stop.signal });
    await asked.promise;
    stop.abort();
    expect(await ended).toMatchObject({ ending: 'later', code: 'cancelled' });
    expect(await book().get(KEY)).toBeNull();
  });
});
