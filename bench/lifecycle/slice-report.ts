/**
 * Lives in JuiceFS's geometry, by both clocks: the client alone, with its two triggers or with readers that may not write, and
 * s3compact beside it. All lives together, each counting the same; printed as Markdown for docs/performance.md.
 */
import { slicePolicyOf } from '../../src/compact/compact-slices.ts';
import type { PlanCost } from '../../src/model.ts';
import { movedBytes, requestsOf } from '../../src/plan/index.ts';
import { DEFAULT_POLICY } from './figures.ts';
import type { Life } from './life.ts';
import { markdown, mib } from './report.ts';
import { clientOnRead, clientOnWrite, oursOnSlices, SliceFile, type SliceRule } from './slice-file.ts';
import { liveAtFlushes, liveInTime, type Times, type Worker } from './time-clock.ts';

/** `undefined`: one read after each flush, and none later. */
export type Clock = Times | undefined;

const QUIET_MS = 60_000;

/** Ages and quiet minutes have no meaning where passes follow flushes. */
export function sliceWorkers(): Worker<SliceRule>[] {
  const rule = oursOnSlices((quietMs) => slicePolicyOf(DEFAULT_POLICY, quietMs));
  const pass = { quietMs: 0, ages: true, rule };
  const quiet = { ...pass, quietMs: QUIET_MS };
  const writer = { onWrite: clientOnWrite };
  const both = { ...writer, onRead: clientOnRead };
  return [
    { name: 'nobody compacts' },
    { name: 'clients', ...both },
    { name: 'clients and s3compact', ...both, pass },
    { name: 'clients and s3compact, after a quiet minute', ...both, pass: quiet },
    { name: 'clients, readers read-only', ...writer },
    { name: 'clients and s3compact, readers read-only', ...writer, pass },
    { name: 'clients and s3compact, ages not known, readers read-only', ...writer, pass: { ...pass, ages: false } },
    { name: 'clients and s3compact, after a quiet minute, readers read-only', ...writer, pass: quiet },
  ];
}

export interface SliceRow {
  readonly life: string;
  /** Of a full read, on average. */
  readonly gets: number;
  readonly ours: PlanCost;
  readonly client: PlanCost;
  /** Stored for each visible byte, over all reads and at the last one. */
  readonly stored: number;
  readonly storedLast: number;
}

/** `undefined`: nobody reads in so short a life. */
export function sliceRow(life: Life, worker: Worker<SliceRule>, clock: Clock): SliceRow | undefined {
  const [lived, file] = outcomeOf(life, worker, clock);
  const { reads, gets, storedBytes } = lived;
  if (reads === 0) return undefined;
  const visibleBytes = visibleOf(life, clock);
  const sum = (of: readonly number[]): number => of.reduce((all, bytes) => all + bytes, 0);
  return {
    life: life.name,
    gets: gets / reads,
    ...file.costs,
    stored: sum(storedBytes) / Math.max(1, sum(visibleBytes)),
    storedLast: (storedBytes.at(-1) ?? 0) / Math.max(1, visibleBytes.at(-1) ?? 0),
  };
}

const visible = new WeakMap<Life, Map<Clock, readonly number[]>>();

/** Zeros that somebody wrote into holes are stored, not visible: what is, is counted where nobody compacts. */
function visibleOf(life: Life, clock: Clock): readonly number[] {
  const known = visible.get(life) ?? new Map<Clock, readonly number[]>();
  visible.set(life, known);
  const bytes = known.get(clock) ?? outcomeOf(life, { name: '' }, clock)[0].visibleBytes;
  known.set(clock, bytes);
  return bytes;
}

function outcomeOf(life: Life, worker: Worker<SliceRule>, times: Clock) {
  const file = new SliceFile(life.geometry);
  const lived = times === undefined ? liveAtFlushes(life, { file, worker }) : liveInTime(life, { file, worker, times });
  return [lived, file] as const;
}

export function sliceTable(lives: readonly Life[], clock: Clock): string {
  const workers = sliceWorkers().filter(
    ({ pass }) => clock !== undefined || (pass?.quietMs !== QUIET_MS && pass?.ages !== false),
  );
  const body = workers.map((worker) => {
    const rows = lives.flatMap((life) => sliceRow(life, worker, clock) ?? []);
    const sum = (of: (row: SliceRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
    const worst = rows.toSorted((a, b) => b.gets - a.gets)[0];
    return [
      worker.name,
      (sum(({ gets }) => gets) / rows.length).toFixed(1),
      `${worst?.gets.toFixed(1)} (${worst?.life})`,
      mib(sum(({ ours, client }) => movedBytes(ours) + movedBytes(client))),
      mib(sum(({ ours }) => movedBytes(ours))),
      mib(sum(({ client }) => movedBytes(client))),
      mib(sum(({ ours, client }) => ours.writeBytes + client.writeBytes)),
      String(sum(({ ours, client }) => requestsOf(ours) + requestsOf(client))),
      (sum(({ stored }) => stored) / rows.length).toFixed(2),
      Math.max(...rows.map(({ storedLast }) => storedLast)).toFixed(2),
    ];
  });
  const head = [
    clock === undefined ? 'a read after each flush' : `${clock.readsPerHour} reads an hour`,
    'GETs, mean of lives',
    'worst life',
    'MiB moved',
    'by s3compact',
    'by clients',
    'written, of all',
    'requests',
    'stored',
    'in the end at worst',
  ];
  return markdown([head, ...body]);
}
