/**
 * The observer of a process: what runs, requests and looks at reap records come to in metrics and in the fields of the
 * log line; counts of concurrent runs never mix; nothing that it is told changes what it hears of.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { CompactError } from '../../src/errors.ts';
import type { MetadataStore } from '../../src/metadata/port.ts';
import type { ChunkPlan } from '../../src/model.ts';
import { createLogger } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { Pace } from '../../src/pace/pace.ts';
import { NO_COST, NO_GAIN } from '../../src/plan/index.ts';
import { ledgerMs, monotonicMs } from '../../src/time.ts';
import { ObservedMemory, observedLedger, observedMetadata } from '../../src/wiring/observed-ports.ts';
import { Observer } from '../../src/wiring/observer.ts';
import { limitGauges } from '../../src/wiring/open-pace.ts';
import type { RunReport } from '../../src/wiring/run-inode.ts';
import { REPORT_AFTER_MS, Reachable } from '../../src/wiring/server-health.ts';
import { eventually } from '../queue/world.ts';

const REPORT: RunReport = {
  ending: 'done',
  fsId: 1,
  inodeId: '4711',
  outcome: 'compacted',
  chunksCompacted: 2,
  chunksLeft: 1,
  continued: true,
  warnings: ['one'],
  cost: { ...NO_COST, readRequests: 10, readBytes: 900, writeRequests: 3, writeBytes: 700 },
  gain: { ...NO_GAIN, getsBefore: 40, getsAfter: 4, versionsBefore: 30, versionsAfter: 2, storedBytesBefore: 2_000 },
};
const PLAN = { chunkIndex: 0, blocksLeft: 0, gain: { ...NO_GAIN, versionsBefore: 25 } } as unknown as ChunkPlan;

let metrics: Metrics;
let observer: Observer;
let lines: Record<string, unknown>[];

beforeEach(() => {
  metrics = new Metrics({ defaults: false });
  lines = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ level: 'debug', destination });
  observer = new Observer({ log, metrics, limits: { bytesMax: 2_000, requestsMax: 1_000 } });
});

/** The value of one series, by its text. */
async function value(series: string): Promise<number> {
  const line = (await metrics.text()).split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

describe('a run', () => {
  it('is counted by result and reason, with what it did and saved', async () => {
    const { fields } = await observer.watchRun({}, async (record) => {
      expect(await value('s3compact_runs_in_flight')).toBe(1);
      record.phase('merge', 0);
      record.chunk(PLAN, { outcome: 'committed' });
      record.chunk({ ...PLAN, blocksLeft: 3 }, { outcome: 'committed' });
      record.phase('end');
      return REPORT;
    });
    const expected: Record<string, number> = {
      s3compact_runs_started_total: 1,
      's3compact_runs_completed_total{result="done",reason="compacted"}': 1,
      s3compact_runs_in_flight: 0,
      's3compact_run_duration_seconds_count{result="done"}': 1,
      s3compact_chunks_compacted_total: 2,
      s3compact_chunks_left_total: 1,
      s3compact_continuations_total: 1,
      s3compact_run_warnings_total: 1,
      s3compact_bytes_read_total: 900,
      s3compact_bytes_written_total: 700,
      s3compact_objects_written_total: 3,
      s3compact_versions_before_total: 30,
      s3compact_versions_after_total: 2,
      s3compact_gets_saved_total: 36,
      s3compact_bytes_reclaimed_total: 2_000,
      's3compact_commits_total{outcome="committed"}': 2,
      s3compact_chunk_versions_count: 2,
      's3compact_chunk_versions_bucket{le="20"}': 0,
      // 1,600 of 2,000 bytes, 13 of 1,000 requests.
      's3compact_run_budget_exhausted_total{budget="bytes"}': 1,
      's3compact_run_budget_exhausted_total{budget="requests"}': 0,
    };
    for (const [series, count] of Object.entries(expected)) expect(await value(series), series).toBe(count);
    expect(await value('s3compact_last_success_timestamp_seconds{task="run"}')).toBeGreaterThan(1e9);
    expect(fields).toMatchObject({ chunks: { committed: 2 }, budgetSpent: ['blocks'] });
    expect(Object.keys(fields.phasesMs)).toEqual(['plan', 'merge', 'end']);
  });

  it('that throws is not in flight for ever', async () => {
    await expect(observer.watchRun({}, () => Promise.reject(new Error('a fault of ours')))).rejects.toThrow('a fault');
    expect(await value('s3compact_runs_in_flight')).toBe(0);
    expect(await value('s3compact_runs_started_total')).toBe(1);
  });

  it('that throws has ended all the same: halted, or cancelled where it was told to stop', async () => {
    const fault = () => Promise.reject(new TypeError('a fault of ours'));
    await expect(observer.watchRun({}, fault)).rejects.toThrow('a fault');
    await expect(observer.watchRun({}, fault, AbortSignal.abort('shutdown'))).rejects.toThrow('a fault');
    expect(await value('s3compact_runs_completed_total{result="halted",reason="other"}')).toBe(1);
    expect(await value('s3compact_runs_completed_total{result="later",reason="cancelled"}')).toBe(1);
  });

  it('that was cancelled tells by whom', async () => {
    const cancelled: RunReport = { ...REPORT, ending: 'later', code: 'cancelled' };
    for (const reason of ['shutdown', 'lock-lost', 'a whim'])
      await observer.watchRun({}, async () => cancelled, AbortSignal.abort(reason));
    for (const reason of ['shutdown', 'lock-lost', 'other'])
      expect(await value(`s3compact_runs_cancelled_total{reason="${reason}"}`)).toBe(1);
    expect(await value('s3compact_runs_completed_total{result="later",reason="cancelled"}')).toBe(3);
  });

  it('tells what is unsafe: a commit of unknown fate, a lost fence, an expired lease', async () => {
    await observer.watchRun({ inodeId: '4711' }, async (record) => {
      record.chunk(PLAN, { outcome: 'unknown' });
      record.chunk(PLAN, { outcome: 'stale', reason: 'fence' });
      record.chunk(PLAN, { outcome: 'stale', reason: 'length' });
      record.failed(new CompactError('over', { kind: 'retry', code: 'lease-expired' }), 3);
      return REPORT;
    });
    expect(await value('s3compact_commits_total{outcome="unknown"}')).toBe(1);
    expect(await value('s3compact_commits_total{outcome="stale"}')).toBe(2);
    expect(await value('s3compact_fences_lost_total')).toBe(1);
    expect(await value('s3compact_leases_expired_total')).toBe(1);
    expect(lines.map(({ event, level, inodeId }) => [event, level, inodeId])).toEqual([
      ['chunk.unknown', 'warn', '4711'],
      ['fence.lost', 'warn', '4711'],
      ['lease.expired', 'warn', '4711'],
    ]);
  });

  it('has its own requests, waits and records, whatever other runs do meanwhile', async () => {
    const ledger = observedLedger(
      { nowMs: async () => ledgerMs(0), add: async () => 'id', stamp: async () => {}, expedite: async () => {} },
      observer,
    );
    const runs = await Promise.all(
      [1, 2, 3].map((n) =>
        observer.watchRun({}, async () => {
          for (let request = 0; request < n; request++) {
            observer.started();
            await turn();
            observer.request('get', 'ok', 5, 100);
            await ledger.add({} as never);
          }
          observer.request('get', 'store-unavailable', 5, 0);
          observer.retried('get');
          observer.waited('memory', 10 * n);
          return REPORT;
        }),
      ),
    );
    for (const [index, { fields }] of runs.entries()) {
      const n = index + 1;
      expect(fields.s3).toEqual({
        requests: { get: n + 1 },
        failures: { 'store-unavailable': 1 },
        retries: 1,
        bytesRead: 100 * n,
        bytesWritten: 0,
      });
      expect(fields).toMatchObject({ waitsMs: { memory: 10 * n }, reapRecordCount: n });
    }
    expect(await value('s3compact_s3_requests_total{operation="get",code="ok"}')).toBe(6);
    expect(await value('s3compact_s3_requests_total{operation="get",code="store-unavailable"}')).toBe(3);
    expect(await value('s3compact_s3_bytes_total{operation="get"}')).toBe(600);
    expect(await value('s3compact_s3_retries_total{operation="get"}')).toBe(3);
    expect(await value('s3compact_limit_wait_seconds_total{limit="memory"}')).toBeCloseTo(0.06);
  });

  it('lists some of its reap records and tells how many there are', async () => {
    const { fields } = await observer.watchRun({}, async (record) => {
      for (let n = 0; n < 50; n++) record.reapRecord(`r${n}`);
      return REPORT;
    });
    expect(fields.reapRecords).toHaveLength(20);
    expect(fields.reapRecordCount).toBe(50);
  });
});

it('looks at reap records are counted, doubt and what cannot be read apart', async () => {
  const record = {} as never;
  const look = { place: {}, startMs: 0 };
  observer.reapLook({ kind: 'done', deleted: 7, stillReferenced: 2 }, look);
  observer.reapLook({ kind: 'again', record }, look);
  observer.reapLook({ kind: 'again', record, doubt: 'the file system is away' }, look);
  observer.reapLook({ kind: 'again', record, doubt: 'an object is missing', unsafe: true }, look);
  observer.reapLook(null, look);
  for (const verdict of ['done', 'again', 'doubt', 'unsafe', 'unreadable'])
    expect(await value(`s3compact_reap_looks_total{verdict="${verdict}"}`)).toBe(1);
  expect(await value('s3compact_objects_deleted_total')).toBe(7);
  expect(await value('s3compact_objects_still_referenced_total')).toBe(2);
  // What a record lets go counts although others of it could not be deleted.
  observer.reapLook({ kind: 'again', record, doubt: 'locked', deleted: 5 }, look);
  expect(await value('s3compact_objects_deleted_total')).toBe(12);
});

it('without metrics everything is gathered for the log line all the same', async () => {
  const bare = new Observer({ log: createLogger({ level: 'silent' }), limits: { bytesMax: 1, requestsMax: 1 } });
  const { fields } = await bare.watchRun({}, async () => {
    bare.request('put', 'ok', 1, 10);
    return REPORT;
  });
  expect(fields.s3.bytesWritten).toBe(10);
});

describe('an observed metadata store', () => {
  class Store {
    readonly #secret = 42;
    readonly storeId = 'redis:fs';
    async getInode(): Promise<number> {
      return this.#secret;
    }
    async commit(): Promise<{ outcome: string; cause: Error }> {
      return { outcome: 'unknown', cause: new Error('the answer was lost') };
    }
    async begin(): Promise<never> {
      throw new CompactError('away', { kind: 'retry', code: 'metadata-unavailable' });
    }
    async *chunkIndexes(): AsyncGenerator<number> {
      yield this.#secret;
    }
  }
  const store = () => observedMetadata(new Store() as unknown as MetadataStore, observer);

  it('answers as the store does, private fields and generators included', async () => {
    expect(store().storeId).toBe('redis:fs');
    expect(await store().getInode({ fsId: 1, inodeId: 1n })).toBe(42);
    const indexes: number[] = [];
    for await (const index of store().chunkIndexes({ fsId: 1, inodeId: 1n })) indexes.push(index);
    expect(indexes).toEqual([42]);
    const same = store();
    expect(same.getInode).toBe(same.getInode);
  });

  it('an answer to a commit that is lost is a failure of the service, as no answer is', async () => {
    await store().commit({} as never);
    await store().commit({} as never);
    expect(observer.metadata.away()).toBeUndefined();
    await store().commit({} as never);
    expect(observer.metadata.away()).toEqual({ code: 'metadata', what: 'the metadata service does not answer' });
  });

  it('tells every call and how it ended', async () => {
    await store().getInode({ fsId: 1, inodeId: 1n });
    await store().commit({} as never);
    await expect(store().begin({ fsId: 1, inodeId: 1n }, 1n)).rejects.toThrow('away');
    expect(await value('s3compact_metadata_requests_total{operation="get-inode",code="ok"}')).toBe(1);
    expect(await value('s3compact_metadata_requests_total{operation="begin",code="metadata-unavailable"}')).toBe(1);
    expect(await value('s3compact_commit_answers_lost_total')).toBe(1);
    expect(await value('s3compact_metadata_request_duration_seconds_count{operation="begin"}')).toBe(1);
  });
});

it('the memory of merges tells what is held, what may be, and who had to wait', async () => {
  const memory = new ObservedMemory(1024 * 1024, observer);
  expect(await value('s3compact_memory_limit_bytes')).toBe(1024 * 1024);
  const first = Promise.withResolvers<void>();
  const held = memory.reserve([1024 * 1024], () => first.promise);
  const waiting = memory.reserve([1024], async () => value('s3compact_memory_reserved_bytes'));
  await eventually('it waits', async () => ((await value('s3compact_memory_reserved_bytes')) > 0 ? true : undefined));
  expect(await value('s3compact_memory_reserved_bytes')).toBe(1024 * 1024);
  const untilMs = performance.now() + 5;
  await eventually('time goes by', async () => (performance.now() > untilMs ? true : undefined));
  first.resolve();
  await held;
  expect(await waiting).toBe(1024);
  expect(await value('s3compact_memory_reserved_bytes')).toBe(0);
  expect(await value('s3compact_limit_waits_total{limit="memory"}')).toBe(1);
  await expect(memory.reserve([1], () => Promise.reject(new Error('x')))).rejects.toThrow('x');
  expect(await value('s3compact_memory_reserved_bytes')).toBe(0);
});

it('limits are told as they are when a scrape comes, also one that has given way', async () => {
  const pace = new Pace({
    clock: systemClock,
    bytesPerSecond: 5_000,
    requestsPerSecond: 0,
    inFlight: { floor: 1, ceiling: 8 },
  });
  metrics.addSource(limitGauges(pace));
  expect(await value('s3compact_limit_requests_in_flight')).toBe(0);
  const flight = pace.flightOf('bucket');
  expect(await value('s3compact_limit_bytes_per_second{scope="process"}')).toBe(5_000);
  expect(await value('s3compact_limit_requests_per_second{scope="process"}')).toBe(0);
  const before = await value('s3compact_limit_requests_in_flight');
  expect(before).toBe(flight.state().limit);
  const nowMs = systemClock.monotonicMs();
  flight.refused({ sentAtMs: nowMs, endedAtMs: monotonicMs(Number(nowMs) + 1) });
  expect(await value('s3compact_limit_requests_in_flight')).toBe(flight.state().limit);
  expect(flight.state().limit).toBeLessThan(before);
});

const AWAY = { code: 'store', what: 'it is away' } as const;
const NO_ANSWER = new CompactError('connect ECONNREFUSED', { kind: 'retry', code: 'store-unavailable' });

describe('whether a server answers', () => {
  it('one failure says nothing, several in a row do, one answer takes it back', async () => {
    const server = new Reachable(AWAY);
    server.failed(NO_ANSWER);
    server.failed(NO_ANSWER);
    expect(await server.checked()).toBeUndefined();
    server.failed(NO_ANSWER);
    expect(await server.checked()).toBe(AWAY);
    server.answered();
    expect(await server.checked()).toBeUndefined();
  });

  it('a server that failed is asked whether it is back', async () => {
    const server = new Reachable(AWAY);
    let back = false;
    server.probe = async () => {
      if (!back) throw new Error('no');
    };
    for (let n = 0; n < 3; n++) server.failed(NO_ANSWER);
    expect(await server.checked()).toBe(AWAY);
    back = true;
    expect(await server.checked()).toBeUndefined();
  });

  it('an outage is reported once when it has lasted, and once when it is over', () => {
    let nowMs = 1_000;
    const reports: unknown[] = [];
    const report = {
      lost: ({ message }: Error) => reports.push(`lost: ${message}`),
      back: (awayMs: number) => reports.push(`back after ${awayMs} ms`),
    };
    const server = new Reachable(AWAY, report, () => nowMs);
    const failFor = (ms: number) => {
      for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 1_000) server.failed(NO_ANSWER);
    };
    failFor(9_000);
    server.answered();
    failFor(REPORT_AFTER_MS);
    expect(reports).toEqual([]);
    failFor(300_000);
    expect(reports).toEqual(['lost: connect ECONNREFUSED']);
    server.answered();
    server.answered();
    expect(reports).toEqual(['lost: connect ECONNREFUSED', 'back after 310000 ms']);
  });

  it('two failures that lie far apart are no outage', () => {
    let nowMs = 0;
    const server = new Reachable(AWAY, { lost: () => expect.unreachable(), back: () => {} }, () => nowMs);
    server.failed(NO_ANSWER);
    nowMs = 3 * REPORT_AFTER_MS;
    server.failed(NO_ANSWER);
    expect(server.away()).toBeUndefined();
  });

  it('requests tell it: no answer is a failure, a refusal is an answer, a withdrawn call is neither', async () => {
    for (let n = 0; n < 3; n++) {
      observer.failed('get', NO_ANSWER);
      observer.request('get', 'store-unavailable', 1, 0);
    }
    observer.request('get', 'cancelled', 1, 0);
    expect(await observer.notReady()).toEqual([{ code: 'store', what: 'S3 does not answer' }]);
    observer.request('get', 'object-missing', 1, 0);
    expect(await observer.notReady()).toEqual([]);
  });
});
