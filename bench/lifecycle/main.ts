/**
 * `npm run bench:lifecycle [-- --events DIR] [--json]`: what each policy moves over the lives of files, and what reading
 * costs meanwhile. Nothing is stored or timed: the figures are counts and repeat exactly. Peers' rules are written from
 * their sources (policies.ts), in our layout.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { movedBytes, requestsOf } from '../../src/plan/index.ts';
import { type Life, readLives } from './life.ts';
import { curvefs, juicefs, none, ours, type Policy } from './policies.ts';
import { type Outcome, replay } from './replay.ts';

const BUILT_IN = fileURLToPath(new URL('lives', import.meta.url));
const POLICIES: readonly Policy[] = [
  none,
  curvefs,
  juicefs,
  ours('s3compact', { fragmentThreshold: 20, readGapBytes: 64 * 1024 }),
];
const MIB = 1024 * 1024;

interface Row extends Outcome {
  readonly life: string;
  readonly policy: string;
}

/** All lives together: each life's averages weigh the same. */
function total(rows: readonly Row[], policy: string): Record<string, number | string> {
  const own = rows.filter((row) => row.policy === policy);
  const sum = (of: (row: Row) => number): number => own.reduce((all, row) => all + of(row), 0);
  return {
    policy,
    getsAverage: sum((row) => row.getsAverage),
    movedMiB: sum((row) => movedBytes(row.cost)) / MIB,
    requests: sum((row) => requestsOf(row.cost)),
    objectsDeleted: sum((row) => row.objectsDeleted),
  };
}

const COLUMNS = ['GETs per full read', 'moved MiB', 'requests', 'deleted', 'versions', 'garbage MiB', 'compactions'];

function line(name: string, policy: string, values: readonly number[]): string {
  const cells = values.map((value, n) => value.toFixed(value < 100 ? 1 : 0).padStart(COLUMNS[n]?.length ?? 0));
  return [name.padEnd(18), policy.padEnd(10), ...cells].join('  ');
}

function cellsOf(row: Row): number[] {
  const { getsAverage, cost, objectsDeleted, versionsAverage, garbageAverage, compactions } = row;
  const moved = movedBytes(cost) / MIB;
  return [getsAverage, moved, requestsOf(cost), objectsDeleted, versionsAverage, garbageAverage / MIB, compactions];
}

function print(rows: readonly Row[]): void {
  console.log(['life'.padEnd(18), 'policy'.padEnd(10), ...COLUMNS].join('  '));
  for (const row of rows) console.log(line(row.life, row.policy, cellsOf(row)));
  console.log('\nall lives together (averages added up, each life weighs the same)');
  for (const { name } of POLICIES) {
    const { policy: _, ...sums } = total(rows, name);
    console.log(line('', name, Object.values(sums).map(Number)));
  }
}

function rowsOf(lives: readonly Life[]): Row[] {
  return lives.flatMap((life) =>
    POLICIES.map((policy) => ({ life: life.name, policy: policy.name, ...replay(life, policy) })),
  );
}

const { values } = parseArgs({
  options: { events: { type: 'string', default: BUILT_IN }, json: { type: 'boolean', default: false } },
});
const rows = rowsOf(readLives(values.events));
if (values.json) console.log(JSON.stringify({ rows, totals: POLICIES.map(({ name }) => total(rows, name)) }, null, 2));
else print(rows);
