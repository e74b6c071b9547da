/**
 * `npm run bench:throughput [-- --case NAME] [--server blob|radosgw] [--rounds N] [--quick] [--json]`: real compactions of
 * generated inodes beside a bare loop that makes the same requests, turn about in one run. Ratios are of pairs that ran
 * next to each other, so that a busy machine is busy for both; figures are medians. On radosgw the cases are cut to at most
 * 2,048 pieces and 128 MiB.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { startBlobServer } from '../servers/start.ts';
import { CASES, type Case, forRealServer, shrunk } from './cases.ts';
import type { Contestant, Figures } from './child.ts';
import { startFilledRadosgw } from './radosgw.ts';
import { median, type Row, rowOf, table } from './report.ts';
import { runChild } from './run-child.ts';

const { values } = parseArgs({
  options: {
    case: { type: 'string' },
    server: { type: 'string', default: 'blob' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(values.rounds ?? (values.quick ? 1 : 5));
const CONTESTANTS: readonly Contestant[] = ['ours', 'bare', 'dispatch', 'sdk'];

interface Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): unknown;
}

async function serverFor(one: Case): Promise<Server> {
  if (values.server === 'radosgw') return startFilledRadosgw(one);
  const blob = await startBlobServer();
  return { ...blob, accessKeyId: 'AKIABENCH', secretAccessKey: 'secret' };
}

async function measure(one: Case): Promise<readonly Row[]> {
  const server = await serverFor(one);
  const rounds = new Map<Contestant, Figures[]>(CONTESTANTS.map((name) => [name, []]));
  const pairs: Figures[][] = [];
  try {
    const run = (contestant: Contestant): Promise<Figures> => runChild({ contestant, one, ...server });
    for (let round = 0; round < ROUNDS; round++) {
      // The SDK's way is for comparison, and slow: once is enough.
      for (const name of CONTESTANTS) if (name !== 'sdk' || round < 1) rounds.get(name)?.push(await run(name));
      if (round < 3) pairs.push(await Promise.all([run('ours'), run('ours')]));
    }
  } finally {
    await server.stop();
  }
  const bare = rounds.get('bare') ?? [];
  const rows = CONTESTANTS.map((name) => rowOf(one, name, { figures: rounds.get(name) ?? [], bare }));
  const ours = rounds.get('ours') ?? [];
  return [...rows, { ...rowOf(one, 'two processes', { figures: pairs.flat(), bare }), ...together(pairs, ours) }];
}

/** Two processes at once against one: by the clock, and by the CPU that the same work takes then. */
function together(pairs: readonly Figures[][], ours: readonly Figures[]): Partial<Row> {
  const wall = median(ours.map(({ wallMs }) => wallMs));
  const cpu = median(ours.map(({ cpuMs }) => cpuMs));
  return {
    timesOneByClock: (2 * wall) / median(pairs.map((pair) => Math.max(...pair.map(({ wallMs }) => wallMs)))),
    timesOneByCpu: (2 * cpu) / median(pairs.flat().map(({ cpuMs }) => cpuMs)),
  };
}

const chosen = CASES.filter(({ name }) => values.case === undefined || values.case === name);
if (chosen.length === 0) throw new Error(`no such case; there are ${CASES.map(({ name }) => name).join(', ')}`);
const machine = {
  cpu: cpus()[0]?.model ?? '?',
  cores: availableParallelism(),
  node: process.version,
  load: loadavg().map((load) => Number(load.toFixed(1))),
  server: values.server,
  rounds: ROUNDS,
};
if (!values.json)
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.load.join(' ')}, ${machine.server}`,
  );
const rows: Row[] = [];
for (const one of chosen) {
  const whole = shrunk(one, values.quick);
  const measured = await measure(values.server === 'radosgw' ? forRealServer(whole) : whole);
  rows.push(...measured);
  if (!values.json) console.log(table(one, measured));
}
if (values.json) console.log(JSON.stringify({ machine, rows }, null, 2));
