/** When a file is left alone long enough, with a store whose commits compare nothing (quiet-period.ts). */
import { beforeEach, describe, expect, it } from 'vitest';
import { type CompactDeps, type CompactResult, compactInode } from '../../src/compact/compact-inode.ts';
import { SEVERAL_WRITERS_TIMES } from '../../src/compact/quiet-period.ts';
import { CompactError } from '../../src/errors.ts';
import type { Look } from '../../src/ledger.ts';
import type { CommitForm } from '../../src/metadata/port.ts';
import type { Inode } from '../../src/model.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';

const QUIET_MS = 60_000;
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

let world: World;
beforeEach(() => {
  world = new World();
  // Four versions that overlap, in one block: worth a run.
  for (let n = 0; n < 4; n++) world.write(n, 8);
});

function set(changes: Partial<Inode>): void {
  const found = world.metadata.at(KEY);
  if (found !== undefined) found.inode = { ...found.inode, ...changes };
}

function ago(ms: number): number {
  return world.ledger.nowMs - ms;
}

function run(commitForm: CommitForm = 'time-bound', changes: Partial<CompactDeps> = {}): Promise<CompactResult> {
  const deps = world.deps();
  const metadata = Object.assign(deps.metadata, { commitForm });
  return compactInode(KEY, { ...deps, metadata, ...changes }, { limits: { ...LIMITS, quietMs: QUIET_MS } });
}

async function expectBusy(running: Promise<CompactResult>, says: RegExp): Promise<void> {
  const error = await running.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CompactError);
  expect(error).toMatchObject({ code: 'inode-busy', kind: 'retry', inode: KEY });
  expect((error as CompactError).message).toMatch(says);
}

describe('a file that was changed a moment ago', () => {
  it('is left alone until the quiet period is over: no record, no object, no fence', async () => {
    const objects = [...world.stores.bucket('world').keys()];
    set({ mtimeMs: ago(QUIET_MS - 1) });
    await expectBusy(run(), /changed 60 s ago and must be left alone for 60 s/);
    expect(world.ledger.records.size).toBe(0);
    expect([...world.stores.bucket('world').keys()]).toEqual(objects);
    set({ mtimeMs: ago(QUIET_MS) });
    expect((await run()).outcome).toBe('compacted');
  });

  it('counts from whatever changed last: a program may have set mtime back', async () => {
    set({ mtimeMs: ago(YEAR_MS), changedMs: ago(1_000) });
    await expectBusy(run(), /changed 1 s ago/);
  });

  it('counts a clock that is ahead as just now, and a date in the far future as set by a program', async () => {
    set({ mtimeMs: ago(-5_000), changedMs: ago(YEAR_MS) });
    await expectBusy(run(), /its time lies 5 s ahead of the clock of the queue's Redis: the clock of a client/);
    set({ mtimeMs: ago(-YEAR_MS), changedMs: ago(YEAR_MS) });
    expect((await run()).outcome).toBe('compacted');
  });

  it('counts a change in the far future as one of a client whose clock is ahead', async () => {
    // No program sets ctime; a write sets both.
    set({ mtimeMs: ago(-YEAR_MS) });
    await expectBusy(run(), /ahead of the clock/);
    set({ mtimeMs: ago(YEAR_MS), changedMs: ago(-YEAR_MS) });
    await expectBusy(run(), /ahead of the clock/);
  });

  it('is compacted at once where commits compare', async () => {
    set({ mtimeMs: ago(0) });
    expect((await run('fenced')).outcome).toBe('compacted');
  });

  it('is noticed when it is changed between the choice of chunks and their turn', async () => {
    set({ mtimeMs: ago(QUIET_MS) });
    const deps = world.deps();
    const begin = deps.metadata.begin.bind(deps.metadata);
    const metadata = Object.assign(deps.metadata, {
      commitForm: 'time-bound' as const,
      begin: (...args: Parameters<typeof begin>) => {
        set({ mtimeMs: ago(0) });
        return begin(...args);
      },
    });
    await expectBusy(run('time-bound', { metadata }), /left alone/);
  });
});

describe('two looks on our own clock (ADR 18)', () => {
  /** What a job of the queue does. */
  class Looks {
    first: Look | undefined;
    async keep(look: Look): Promise<void> {
      this.first = look;
    }
  }

  function runFor(looks: Looks): Promise<CompactResult> {
    const deps = world.deps();
    const metadata = Object.assign(deps.metadata, { commitForm: 'time-bound' as const });
    return compactInode(KEY, { ...deps, metadata }, { limits: { ...LIMITS, quietMs: QUIET_MS }, looks });
  }

  it('a run that nobody remembers a look for waits for the second one, before it writes anything', async () => {
    set({ mtimeMs: ago(YEAR_MS) });
    const beganMs = world.ledger.nowMs;
    expect((await run()).outcome).toBe('compacted');
    expect(world.ledger.nowMs - beganMs).toBeGreaterThanOrEqual(QUIET_MS);
    expect(world.violations).toEqual([]);
  });

  it('a file without work is not waited for', async () => {
    set({ mtimeMs: ago(YEAR_MS) });
    await run();
    const beganMs = world.ledger.nowMs;
    expect((await run()).outcome).toBe('nothing');
    expect(world.ledger.nowMs).toBe(beganMs);
  });

  it('a job comes back for the second look, and a worker waits for nothing', async () => {
    set({ mtimeMs: ago(YEAR_MS) });
    const looks = new Looks();
    const beganMs = world.ledger.nowMs;
    await expect(runFor(looks)).rejects.toMatchObject({ code: 'inode-busy', retryAfterMs: QUIET_MS });
    expect(world.ledger.nowMs).toBe(beganMs);
    expect(world.ledger.records.size).toBe(0);
    world.ledger.nowMs += QUIET_MS - 1;
    await expect(runFor(looks)).rejects.toMatchObject({ code: 'inode-busy', retryAfterMs: 1 });
    world.ledger.nowMs += 1;
    expect((await runFor(looks)).outcome).toBe('compacted');
  });

  it.each([
    ['its time was changed, by a clock that is a year behind', () => set({ mtimeMs: ago(YEAR_MS) + 1 })],
    ['its length was', () => world.metadata.change(KEY, { length: 12 })],
  ])('begin anew where %s, and that is a try of the job', async (_, change) => {
    set({ mtimeMs: ago(YEAR_MS) });
    const looks = new Looks();
    await runFor(looks).catch(() => undefined);
    world.ledger.nowMs += QUIET_MS;
    change();
    const error = await runFor(looks).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'inode-busy', retryAfterMs: undefined });
    world.ledger.nowMs += QUIET_MS;
    expect((await runFor(looks)).outcome).toBe('compacted');
  });

  it('begin anew where the clock of the ledger went back', async () => {
    set({ mtimeMs: ago(YEAR_MS) });
    const looks = new Looks();
    await runFor(looks).catch(() => undefined);
    world.ledger.nowMs -= 10 * QUIET_MS;
    await expect(runFor(looks)).rejects.toMatchObject({ code: 'inode-busy' });
    world.ledger.nowMs += QUIET_MS;
    expect((await runFor(looks)).outcome).toBe('compacted');
  });

  it('a list with several writers needs ten quiet periods between them', async () => {
    const lists = world.metadata.at(KEY)?.lists;
    const [first, ...rest] = lists?.get(0) ?? [];
    if (first !== undefined) lists?.set(0, [{ ...first, chunkId: 99n }, ...rest]);
    set({ mtimeMs: ago(YEAR_MS) });
    const looks = new Looks();
    const retryAfterMs = SEVERAL_WRITERS_TIMES * QUIET_MS;
    await expect(runFor(looks)).rejects.toMatchObject({ code: 'inode-busy', retryAfterMs });
  });
});

describe('a list with several writers', () => {
  it('waits for ten quiet periods', async () => {
    const lists = world.metadata.at(KEY)?.lists;
    const [first, ...rest] = lists?.get(0) ?? [];
    // The first one was allocated late, or the others early.
    if (first !== undefined) lists?.set(0, [{ ...first, chunkId: 99n }, ...rest]);
    set({ mtimeMs: ago(QUIET_MS * SEVERAL_WRITERS_TIMES - 1) });
    await expectBusy(run(), /600 s/);
    expect(world.ledger.records.size).toBe(0);
  });
});

describe('bytes beyond the length', () => {
  beforeEach(() => {
    world.truncate(5);
    set({ mtimeMs: ago(QUIET_MS) });
  });

  it('are trimmed after two equal looks that are a quiet period apart', async () => {
    const beganMs = world.ledger.nowMs;
    expect((await run()).outcome).toBe('compacted');
    expect(world.ledger.nowMs - beganMs).toBeGreaterThanOrEqual(QUIET_MS);
    expect(Math.max(...(world.lists().get(0) ?? []).map(({ offset, len }) => offset + len))).toBe(5);
    expect(world.violations).toEqual([]);
  });

  it.each([
    ['a version was appended', () => world.write(40, 8)],
    ['the length was raised', () => world.truncate(11)],
  ])('stay when %s between the looks', async (_, change) => {
    const clock = world.deps().clock;
    const slow = {
      ...clock,
      sleep: async (ms: number) => {
        await clock.sleep(ms);
        change();
        // The server's times lag behind: the rule must not rest on them alone.
        set({ mtimeMs: ago(QUIET_MS) });
      },
    };
    const before = world.lists().get(0)?.length ?? 0;
    await expectBusy(run('time-bound', { clock: slow }), /changed between two looks/);
    expect(world.lists().get(0)?.length).toBeGreaterThanOrEqual(before);
    expect(world.violations).toEqual([]);
  });

  it('do not make a worker wait that is asked to stop', async () => {
    const clock = { ...world.deps().clock, sleep: () => Promise.reject(new Error('aborted')) };
    const controller = new AbortController();
    const deps = world.deps();
    const metadata = Object.assign(deps.metadata, { commitForm: 'time-bound' as const });
    const stopping = {
      ...clock,
      sleep: () => {
        controller.abort();
        return clock.sleep();
      },
    };
    const options = { limits: { ...LIMITS, quietMs: QUIET_MS }, signal: controller.signal };
    await expect(compactInode(KEY, { ...deps, metadata, clock: stopping }, options)).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
