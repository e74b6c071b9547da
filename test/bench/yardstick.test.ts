/**
 * The yardstick of bench/lifecycle: the clock of time counts what it says, hindsight is the best of all choices, the lives in the
 * project tell their times, and a folder of lives that is broken is refused with the place. Figures are held by counts only.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BUILT_IN, MORE } from '../../bench/lifecycle/files.ts';
import { flushCourse, Hindsight } from '../../bench/lifecycle/hindsight.ts';
import { type Life, type LifeEvent, readLives } from '../../bench/lifecycle/life.ts';
import { type ChunkView, curvefs, juicefsOnRead, juicefsOnWrite } from '../../bench/lifecycle/policies.ts';
import { replay } from '../../bench/lifecycle/replay.ts';
import { replayInTime, timeCourse } from '../../bench/lifecycle/time-clock.ts';
import { timeRow, workers } from '../../bench/lifecycle/yardstick.ts';
import { movedBytes } from '../../src/plan/index.ts';

const GEOMETRY = { blockSize: 8, chunkSize: 32 };
const MINUTE = 60_000;

/** A file of single bytes: at each flush these offsets are written, a minute after the flush before. */
function lifeOf(flushes: readonly (readonly number[])[]): Life {
  let chunkId = 0n;
  let length = 0;
  const events: LifeEvent[] = [];
  for (const [n, offsets] of flushes.entries()) {
    for (const offset of offsets) {
      const version = { chunkId: ++chunkId, compaction: 0n, offset, len: 1, size: 1, zero: false };
      events.push({ kind: 'append', chunkIndex: Math.floor(offset / GEOMETRY.chunkSize), version });
      length = Math.max(length, offset + 1);
    }
    events.push({ kind: 'length', length }, { kind: 'flush', ms: n * MINUTE });
  }
  return { name: 'small', geometry: GEOMETRY, events };
}

/** Rewrites the whole chunk, which has one block here, when it is asked for the n-th time and `when` says so. */
function atFlushes(when: number) {
  let asked = -1;
  return {
    name: 'at flushes',
    compact: (chunk: ChunkView) => {
      asked++;
      if (((when >> asked) & 1) === 0) return null;
      return curvefs.compact({ ...chunk, versions: [...chunk.versions, ...Array(21).fill(chunk.versions.at(-1))] });
    },
  };
}

describe('hindsight', () => {
  it('is the best of all ways to rewrite one block', () => {
    const life = lifeOf([[0], [1], [2, 3], [3], [4, 5], [0, 6]]);
    const hindsight = Hindsight.of(life, flushCourse(life));
    for (const bytesPerGet of [0.5, 1, 2, 5, 20, 100]) {
      const price = (bytes: number, gets: number) => bytes + gets * bytesPerGet * 6;
      let least = Number.POSITIVE_INFINITY;
      for (let when = 0; when < 2 ** 6; when++) {
        const { cost, getsAverage } = replay(life, atFlushes(when));
        least = Math.min(least, price(movedBytes(cost), getsAverage));
      }
      const best = hindsight.at((bytesPerGet * 6) / 2 ** 20);
      expect(price(best.bytes, best.gets)).toBeCloseTo(least, 6);
    }
  });

  it('moves nothing where no read takes too many GETs, and cannot have fewer than one for a block', () => {
    const life = lifeOf([[0], [1], [2], [3]]);
    const hindsight = Hindsight.of(life, flushCourse(life));
    expect(hindsight.bytesAt(4)).toBe(0);
    expect(hindsight.bytesAt(0.9)).toBeUndefined();
  });

  it('on the clock of time may rewrite at passes only, and sees reads between them', () => {
    const life = lifeOf([[0], [1], [2]]);
    const course = timeCourse(life, { readsPerHour: 120, passMs: 10 * MINUTE });
    // 20 minutes, a read every half minute from the first quarter of a minute on: 3 reads of up to three pieces while it is written.
    expect(course.readsBefore(course.moments)).toBe(40);
    const { gets, bytes } = Hindsight.of(life, course).at(1000);
    expect(bytes).toBe(6);
    expect(gets * 40).toBe(1 + 1 + 2 + 2 + 16 * 3 + 20);
  });
});

describe('the clock of time', () => {
  const life = lifeOf([[0], [1], [2], [3]]);
  const rule = atFlushes(-1).compact;

  it('reads evenly until ten times the writing span, at the rate that is asked for', () => {
    const none = replayInTime(life, { name: 'none' }, { readsPerHour: 60, passMs: MINUTE });
    expect(none).toMatchObject({ reads: 30, gets: 1 + 2 + 3 + 27 * 4 });
    expect(replayInTime(life, { name: 'none' }, { readsPerHour: 6, passMs: MINUTE })).toMatchObject({ reads: 3 });
  });

  it('passes at its interval, and over a file that was left alone for so long', () => {
    const times = { readsPerHour: 60, passMs: 5 * MINUTE };
    const soon = replayInTime(life, { name: 'pass', pass: { quietMs: 0, rule } }, times);
    expect(soon.gets).toBe(1 + 2 + 3 + 4 + 4 + 25);
    const later = replayInTime(life, { name: 'quiet', pass: { quietMs: 3 * MINUTE, rule } }, times);
    expect(later.gets).toBe(1 + 2 + 3 + 7 * 4 + 20);
  });

  it('lets JuiceFS compact with the fifth record that a reader finds, or the hundredth that a writer leaves', () => {
    const five = lifeOf([[0, 1, 2, 3], [4]]);
    const times = { readsPerHour: 60 * 60, passMs: MINUTE };
    const reader = replayInTime(five, { name: 'reader', onRead: juicefsOnRead }, times);
    expect(movedBytes(reader.cost)).toBe(10);
    const writer = (records: number) => {
      const one = lifeOf([Array.from({ length: records }, (_, n) => n % 32), []]);
      return movedBytes(replayInTime(one, { name: 'writer', onWrite: juicefsOnWrite }, times).cost);
    };
    expect([writer(98), writer(99)]).toEqual([0, 64]);
  });
});

describe('the fifteen lives', () => {
  const lives = [...readLives(BUILT_IN), ...readLives(MORE)];
  it('all tell the times of their flushes', () => {
    expect(lives).toHaveLength(15);
    for (const { events } of lives)
      for (const event of events) if (event.kind === 'flush') expect(event.ms).toBeGreaterThanOrEqual(0);
  });

  it('end at most at 1.10 times the visible bytes, read ten times an hour, with the default settings', () => {
    const own = workers().find(({ name }) => name === 's3compact') ?? { name: '' };
    for (const life of lives) {
      const row = timeRow(life, own, { readsPerHour: 10, passMs: MINUTE });
      expect(row?.storedLast, life.name).toBeLessThanOrEqual(1.1);
    }
  });
});

describe('a folder of lives', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 's3compact-lives-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const header = '{"name":"x","blockSize":8,"chunkSize":32}';
  const refusals: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['that is no gzip', Buffer.from('plain'), /x\.events\.jsonl\.gz cannot be read as gzip/],
    ['that was cut', gzipSync(`${header}\n["f",0]`).subarray(0, -6), /cannot be read as gzip/],
    ['without a header', '["f",0]', /line 1, the header: not as it must be: \["f",0\]/],
    ['whose blocks do not fill a chunk', '{"name":"x","blockSize":7,"chunkSize":32}\n["f"]', /line 1, the header/],
    ['with a line that is no JSON', `${header}\n["f",0]\n["v",`, /line 3: not JSON: \["v",/],
    ['with an event that nobody knows', `${header}\n["w",0]`, /line 2: not as it must be: \["w",0\]/],
    ['without a flush', `${header}\n["l",3]`, /has no flush/],
  ];
  it.each(refusals)('with a file %s is refused with the place', (_, content, message) => {
    writeFileSync(join(folder, 'x.events.jsonl.gz'), typeof content === 'string' ? gzipSync(content) : content);
    expect(() => readLives(folder)).toThrow(message);
  });

  it('without lives is refused, and lives without times have no clock of time', () => {
    expect(() => readLives(folder)).toThrow(/holds no file/);
    writeFileSync(join(folder, 'old.events.jsonl.gz'), gzipSync(`${header}\n["v",0,1,0,0,8,0]\n["l",8]\n["f"]`));
    const [life] = readLives(folder);
    if (life === undefined) throw new Error('no life was read');
    expect(() => replayInTime(life, { name: 'none' }, { readsPerHour: 1, passMs: 1 })).toThrow(
      /old does not tell when/,
    );
  });
});

it('tells a worker that knows ages which ids are four minutes old, and asks it until all are', () => {
  const life = lifeOf([[0], [1], [2, 3]]);
  const told: (bigint | undefined)[] = [];
  const rule = ({ rest }: ChunkView) => {
    told.push(rest?.chunkId);
    return null;
  };
  const times = { readsPerHour: 1, passMs: MINUTE };
  replayInTime(life, { name: 'aged', pass: { quietMs: 0, ages: true, rule } }, times);
  // A pass in each minute; what is noted at one is old four passes later. The last ids are of minute 2, noted in minute 3.
  expect(told).toEqual([0n, 0n, 0n, 0n, 1n, 2n, 4n]);
  told.length = 0;
  replayInTime(life, { name: 'ageless', pass: { quietMs: 0, rule } }, times);
  expect(new Set(told)).toEqual(new Set([undefined]));
});
