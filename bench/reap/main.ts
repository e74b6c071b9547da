/**
 * `npm run bench:reap [-- --objects N] [--json] [--quick]`: what deleting a thousand, ten thousand, … a million replaced
 * objects costs, in batches of 1,000, against the bench's own object server: time, CPU, memory and requests. In two forms:
 * few full records (10,000 names each), and one large file with a small record for each of its chunks.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { forkJson } from '../servers/fork-json.ts';
import { startBlobServer } from '../servers/start.ts';
import type { ReapFigures, ReapOrder } from './child.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const MOST = Number(values.objects ?? (values.quick ? 100_000 : 1_000_000));
const FORMS = [
  { name: 'records of 10,000 names', namesPerRecord: 10_000 },
  { name: 'one file, a record of 100 names for each chunk', namesPerRecord: 100 },
] as const;
const FIRST = 1_000;
const STEP = 10;

interface Row extends ReapFigures {
  readonly form: string;
  readonly objects: number;
}

const server = await startBlobServer();
const rows: Row[] = [];
try {
  for (const { name, namesPerRecord } of FORMS) {
    for (let objects = FIRST; objects <= MOST; objects *= STEP) {
      const order: ReapOrder = { endpoint: server.endpoint, objects, namesPerRecord };
      rows.push({ form: name, objects, ...(await forkJson<ReapFigures>(new URL('child.ts', import.meta.url), order)) });
    }
  }
} finally {
  server.stop();
}

const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version, load: loadavg() };
if (values.json) console.log(JSON.stringify({ machine, rows }, null, 2));
else {
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.load.map((n) => n.toFixed(1)).join(' ')}\n`,
  );
  console.log(
    '| form | objects | s | objects/s | CPU-µs/object | list reads | HEADs | listings | deletes | for holds | above idle MiB |',
  );
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|');
  for (const { form, objects, wallMs, cpuMs, ...row } of rows) {
    const cells = [
      (wallMs / 1000).toFixed(2),
      ((objects / wallMs) * 1000).toFixed(0),
      ((cpuMs / objects) * 1000).toFixed(1),
      row.listReads,
      row.headRequests,
      row.listRequests,
      row.deleteRequests,
      row.holdListings,
      (row.aboveIdleBytes / 2 ** 20).toFixed(0),
    ];
    console.log(`| ${form} | ${objects} | ${cells.join(' | ')} |`);
  }
}
