/**
 * The yardstick: policies on the clock of time beside what hindsight needs at equal GETs, and on the old clock with the dial
 * chosen on all lives but the one that is measured, so that nothing is judged by what it was tuned on. Counts only; printed as
 * Markdown for docs/performance.md. It must not choose anything for the planner.
 */
import type { PlanPolicy } from '../../src/model.ts';
import { movedBytes } from '../../src/plan/index.ts';
import { DEFAULT_POLICY } from './figures.ts';
import { flushCourse, Hindsight } from './hindsight.ts';
import type { Life } from './life.ts';
import { curvefs, juicefsOnRead, juicefsOnWrite, ours, type Policy } from './policies.ts';
import { replay } from './replay.ts';
import { markdown, mib } from './report.ts';
import { replayInTime, type Times, timeCourse, type Worker } from './time-clock.ts';

export const RATES = [1, 10, 100, 1_000];
export const PASS_MS = 60_000;
const KIB = 1024;
/** What a GET of a read is worth when a dial is chosen: a request weighs as much as moving a MiB (src/plan/cost.ts). */
const GET_WORTH = 1024 * KIB;
const DIALS = [64, 128, 256, 400, 768, 1_536, 3_072, 6_144, 12_288].map((kib) => kib * KIB);

const byPass = (
  name: string,
  policy: Policy,
  more: { readonly quietMs?: number; readonly ages?: true } = {},
): Worker => ({
  name,
  pass: { quietMs: 0, rule: policy.compact, ...more },
});

export function workers(): Worker[] {
  const own = ours('s3compact', DEFAULT_POLICY);
  return [
    { name: 'none' },
    byPass('curvefs', curvefs),
    { name: 'juicefs', onWrite: juicefsOnWrite, onRead: juicefsOnRead },
    { name: 'juicefs, no reader that may write', onWrite: juicefsOnWrite },
    byPass('s3compact', own, { ages: true }),
    byPass('s3compact, ages not known', own),
    byPass('s3compact, after a quiet minute', own, { ages: true, quietMs: PASS_MS }),
    byPass('s3compact (stored bytes free)', ours('free', { ...DEFAULT_POLICY, storagePrice: 0 })),
  ];
}

/** One worker over one life on the clock of time. */
export interface TimeRow {
  readonly life: string;
  readonly worker: string;
  readonly reads: number;
  /** Of a full read, on average. */
  readonly gets: number;
  readonly bytes: number;
  /** Stored for each visible byte, over all reads and at the last one. */
  readonly stored: number;
  readonly storedLast: number;
}

/** `undefined`: nobody reads in so short a life. */
export function timeRow(life: Life, worker: Worker, times: Times): TimeRow | undefined {
  const { reads, gets, cost, storedBytes } = replayInTime(life, worker, times);
  if (reads === 0) return undefined;
  // Zeros that somebody wrote into holes are stored, not visible.
  const visible = replayInTime(life, { name: 'none' }, times).visibleBytes;
  const sum = (of: readonly number[]): number => of.reduce((all, bytes) => all + bytes, 0);
  return {
    life: life.name,
    worker: worker.name,
    reads,
    gets: gets / reads,
    bytes: movedBytes(cost),
    stored: sum(storedBytes) / Math.max(1, sum(visible)),
    storedLast: (storedBytes.at(-1) ?? 0) / Math.max(1, visible.at(-1) ?? 0),
  };
}

/** The table of one rate of reads: all lives together, each counting the same. */
export function timeTable(lives: readonly Life[], times: Times): string {
  const read = lives.filter((life) => timeRow(life, { name: 'none' }, times) !== undefined);
  const hindsight = Hindsight.together(read.map((life) => Hindsight.of(life, timeCourse(life, times))));
  const body = workers().map((worker) => {
    const rows = read.flatMap((life) => timeRow(life, worker, times) ?? []);
    const sum = (of: (row: TimeRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
    const bound = hindsight.bytesAt(sum(({ gets }) => gets));
    return [
      worker.name,
      sum(({ gets }) => gets).toFixed(0),
      mib(sum(({ bytes }) => bytes)),
      bound === undefined ? 'never' : mib(bound),
      (sum(({ stored }) => stored) / rows.length).toFixed(2),
      Math.max(...rows.map(({ storedLast }) => storedLast)).toFixed(2),
    ];
  });
  const head = [
    `${times.readsPerHour} reads an hour`,
    'GETs, sum of lives',
    'MiB moved',
    'hindsight at these GETs',
    'stored',
    'in the end at worst',
  ];
  return markdown([head, ...body]);
}

/** How far each life is from hindsight on the clock of time, at the same GETs. */
export function distances(lives: readonly Life[], times: Times): string {
  const compared = workers().filter(({ pass }) => pass?.quietMs === 0);
  const rows = lives.map((life) => {
    const hindsight = Hindsight.of(life, timeCourse(life, times));
    const cells = compared.flatMap((worker) => {
      const row = timeRow(life, worker, times);
      return row === undefined ? ['', ''] : cellText(row, hindsight);
    });
    return [life.name, ...cells];
  });
  const head = compared.flatMap(({ name }) => [`${name}: GETs / MiB`, 'of hindsight']);
  return markdown([[`${times.readsPerHour} reads an hour`, ...head], ...rows]);
}

/** What a choice comes to over one life on the old clock. */
interface Cell {
  readonly gets: number;
  readonly bytes: number;
  /** All it costs, with each GET of each read at its worth, as a multiple of the least that hindsight needs. */
  readonly times: number;
}

/** Every life by every dial, and the dial that the other lives would choose for it. */
export function leaveOneOut(lives: readonly Life[], base: PlanPolicy = DEFAULT_POLICY): string {
  const measured = lives.map((life) => {
    const hindsight = Hindsight.of(life, flushCourse(life));
    const cells = DIALS.map((bytesPerGet) => cellOf(life, hindsight, { ...base, bytesPerGet }));
    return { life, hindsight, cells, own: cellOf(life, hindsight, base) };
  });
  const body = measured.map(({ life, hindsight, own, cells }) => {
    const others = measured.filter((other) => other.life !== life);
    const dial = bestDial(others.map((other) => other.cells));
    return [
      life.name,
      ...cellText(own, hindsight),
      `${(DIALS[dial] ?? 0) / KIB} KiB`,
      ...cellText(cells[dial] ?? own, hindsight),
    ];
  });
  const head = ['life', 'GETs / MiB, default', 'of hindsight', 'dial by the others', 'GETs / MiB', 'of hindsight'];
  const own = timesOf(body, 2);
  const others = timesOf(body, 5);
  return markdown([
    head,
    ...body,
    ['geometric mean', '', geometricMean(own).toFixed(2), '', '', geometricMean(others).toFixed(2)],
    ['worst', '', Math.max(...own).toFixed(2), '', '', Math.max(...others).toFixed(2)],
  ]);
}

/** The multiples in a column, of the lives that have one on the left: where hindsight moves nothing there is none. */
function timesOf(body: readonly (readonly string[])[], column: number): number[] {
  return body.filter((row) => row[2] !== '').map((row) => Number(row[column]));
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function cellOf(life: Life, hindsight: Hindsight, policy: PlanPolicy): Cell {
  const { getsAverage: gets, cost, flushes } = replay(life, ours('ours', policy));
  const bytes = movedBytes(cost);
  const best = hindsight.at((GET_WORTH * flushes) / (KIB * KIB));
  const least = best.bytes + best.gets * flushes * GET_WORTH;
  return { gets, bytes, times: hindsight.looked === 0 ? 1 : (bytes + gets * flushes * GET_WORTH) / least };
}

/** The dial whose multiples have the least geometric mean. */
function bestDial(lives: readonly (readonly Cell[])[]): number {
  const means = DIALS.map((_, dial) => lives.reduce((sum, cells) => sum + Math.log(cells[dial]?.times ?? 1), 0));
  return means.indexOf(Math.min(...means));
}

function cellText({ gets, bytes }: Pick<Cell, 'gets' | 'bytes'>, hindsight: Hindsight): [string, string] {
  const least = hindsight.bytesAt(gets);
  const times = least === undefined || least === 0 ? '' : (bytes / least).toFixed(2);
  return [`${gets.toFixed(1)} / ${mib(bytes)}`, times];
}
