/**
 * `npm run bench:gc [-- --objects N] [--json] [--quick]`: what a pass of gc over a thousand, ten thousand, … a
 * million objects costs: time, CPU, peak memory, and how many chunk lists are read. In two forms: many small files, and one
 * file that has all objects.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { forkJson } from '../servers/fork-json.ts';
import type { GcFigures, GcOrder } from './child.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const MOST = Number(values.objects ?? (values.quick ? 100_000 : 1_000_000));
const FIRST = 1_000;
const STEP = 10;
const FORMS = [
  { name: 'files of 10 objects', objectsPerInode: (_objects: number) => 10 },
  { name: 'one file', objectsPerInode: (objects: number) => objects },
] as const;

interface Row extends GcFigures {
  readonly form: string;
  readonly objects: number;
}

const rows: Row[] = [];
for (const { name, objectsPerInode } of FORMS) {
  for (let objects = FIRST; objects <= MOST; objects *= STEP) {
    const order: GcOrder = { objects, objectsPerInode: objectsPerInode(objects) };
    rows.push({ form: name, objects, ...(await forkJson<GcFigures>(new URL('child.ts', import.meta.url), order)) });
  }
}
const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version, load: loadavg() };
if (values.json) console.log(JSON.stringify({ machine, rows }, null, 2));
else {
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.load.map((n) => n.toFixed(1)).join(' ')}\n`,
  );
  console.log('| form | objects | s | objects/s | CPU-µs/object | list reads | peak MiB |');
  console.log('|---|--:|--:|--:|--:|--:|--:|');
  for (const { form, objects, wallMs, cpuMs, listReads, peakRssBytes } of rows) {
    const cells = [
      (wallMs / 1000).toFixed(2),
      ((objects / wallMs) * 1000).toFixed(0),
      ((cpuMs / objects) * 1000).toFixed(1),
      listReads,
      (peakRssBytes / 2 ** 20).toFixed(0),
    ];
    console.log(`| ${form} | ${objects} | ${cells.join(' | ')} |`);
  }
}
