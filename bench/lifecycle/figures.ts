/**
 * All figures of the bench, as plain data: a row for each life and policy, the totals, and ours along its dial. What is
 * printed, drawn and kept in figures.json comes from here, so it is always the same. It must not print.
 */
import type { PlanPolicy } from '../../src/model.ts';
import { movedBytes, requestsOf } from '../../src/plan/index.ts';
import { lowerBoundBytes } from './bound.ts';
import type { Life } from './life.ts';
import { curvefs, juicefs, none, ours, type Policy } from './policies.ts';
import { replay } from './replay.ts';

const KIB = 1024;

/** As the settings have it. */
export const DEFAULT_POLICY = {
  fragmentThreshold: 4,
  readGapBytes: 64 * KIB,
  bytesPerGet: 768 * KIB,
  storagePrice: 2,
} satisfies PlanPolicy;
/** Points of the dial, bytes per GET; the last is all the way up. */
const DIAL = [64, 128, 192, 256, 320, 400, 512, 640, 768, 1024, 1536, 2000, 3072, 4096, 64 * KIB].map(
  (kib) => kib * KIB,
);

/** One policy over one life. Averages are over the life's flushes. */
export interface Row {
  readonly life: string;
  readonly policy: string;
  readonly flushes: number;
  readonly gets: number;
  readonly movedBytes: number;
  readonly requests: number;
  readonly objectsDeleted: number;
  readonly versions: number;
  /** Stored bytes for each one that the writer's last writes left visible: over all flushes, and at the worst of them. */
  readonly stored: number;
  readonly storedWorst: number;
  readonly compactions: number;
}

/** One policy over all lives. "Average GETs per full read" can be taken in two ways; both are given. */
export interface Total {
  readonly policy: string;
  /** The mean over all full reads, one after each flush of each life. */
  readonly getsPerRead: number;
  /** The sum of the lives' own averages: a short life counts as much as a long one. */
  readonly getsOfLives: number;
  readonly movedBytes: number;
  readonly requests: number;
  readonly objectsDeleted: number;
  /** Stored bytes for each visible one: the mean of the lives, and the worst flush of any. */
  readonly stored: number;
  readonly storedWorst: number;
}

export interface DialPoint extends Total {
  readonly bytesPerGet: number;
}

export interface Figures {
  readonly rows: readonly Row[];
  readonly totals: readonly Total[];
  readonly dial: readonly DialPoint[];
  readonly lowerBoundBytes: Readonly<Record<string, number>>;
}

export function policies(): Policy[] {
  return [
    none,
    curvefs,
    juicefs,
    ours('s3compact', DEFAULT_POLICY),
    ours('s3compact (stored bytes free)', { ...DEFAULT_POLICY, storagePrice: 0 }),
    ours('s3compact (CurveFS order)', { ...DEFAULT_POLICY, mergedFirst: true }),
  ];
}

export function figuresOf(lives: readonly Life[], compared: readonly Policy[] = policies(), dial = DIAL): Figures {
  const rows = lives.flatMap((life) => compared.map((policy) => rowOf(life, policy)));
  return {
    rows,
    totals: compared.map(({ name }) => totalOf(rows, name)),
    dial: dial.map((bytesPerGet) => {
      const policy = ours('dial', { ...DEFAULT_POLICY, bytesPerGet });
      const own = lives.map((life) => rowOf(life, policy));
      return { bytesPerGet, ...totalOf(own, 'dial') };
    }),
    lowerBoundBytes: Object.fromEntries(lives.map((life) => [life.name, lowerBoundBytes(life)])),
  };
}

export function rowOf(life: Life, policy: Policy): Row {
  const { cost, ...outcome } = replay(life, policy);
  return {
    life: life.name,
    policy: policy.name,
    flushes: outcome.flushes,
    gets: rounded(outcome.getsAverage),
    movedBytes: movedBytes(cost),
    requests: requestsOf(cost),
    objectsDeleted: outcome.objectsDeleted,
    versions: rounded(outcome.versionsAverage),
    ...storedOf(life, outcome.storedBytes),
    compactions: outcome.compactions,
  };
}

const visibleOf = new WeakMap<Life, readonly number[]>();

/** Zeros that a policy wrote into holes are stored, not visible: what is, is counted on lists that nobody compacted. */
function storedOf(life: Life, storedBytes: readonly number[]): Pick<Row, 'stored' | 'storedWorst'> {
  const visible = visibleOf.get(life) ?? replay(life, none).visibleBytes;
  visibleOf.set(life, visible);
  let stored = 0;
  let seen = 0;
  let worst = 0;
  for (const [n, bytes] of storedBytes.entries()) {
    const now = visible[n] ?? 0;
    if (now === 0) continue;
    stored += bytes;
    seen += now;
    worst = Math.max(worst, bytes / now);
  }
  return { stored: rounded(stored / Math.max(1, seen)), storedWorst: rounded(worst) };
}

export function totalOf(rows: readonly Row[], policy: string): Total {
  const own = rows.filter((row) => row.policy === policy);
  const sum = (of: (row: Row) => number): number => own.reduce((all, row) => all + of(row), 0);
  return {
    policy,
    getsPerRead: rounded(
      sum((row) => row.gets * row.flushes) /
        Math.max(
          1,
          sum((row) => row.flushes),
        ),
    ),
    getsOfLives: rounded(sum((row) => row.gets)),
    movedBytes: sum((row) => row.movedBytes),
    requests: sum((row) => row.requests),
    objectsDeleted: sum((row) => row.objectsDeleted),
    stored: rounded(sum((row) => row.stored) / Math.max(1, own.length)),
    storedWorst: Math.max(0, ...own.map((row) => row.storedWorst)),
  };
}

/** Four places: figures are kept in a file, and a mean has no end of digits. */
function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
