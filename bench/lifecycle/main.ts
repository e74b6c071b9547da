/**
 * `npm run bench:lifecycle [-- --events DIR] [--json] [--write] [--hindsight]`: what each policy moves over the lives of files, and what
 * reading costs meanwhile. Nothing is stored or timed: the figures are counts and repeat exactly. Peers' rules are written
 * from their sources (policies.ts), in our layout. `--write` renews the picture and the tables in `docs/`; `--hindsight` tells what whole-block
 * rewriting could reach at best.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { figuresOf } from './figures.ts';
import { BUILT_IN, keptFiles } from './files.ts';
import { hindsight } from './hindsight.ts';
import { readLives } from './life.ts';
import { terminalReport } from './report.ts';
import { syntheticLives } from './synthetic.ts';

/** MiB for one GET less in a life's average. */
const HINDSIGHT_PRICES = [8, 12, 16, 17, 18, 20];

const { values } = parseArgs({
  options: {
    events: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    hindsight: { type: 'boolean', default: false },
  },
});

if (values.write && values.events !== undefined)
  throw new Error('docs/ shows the built-in lives: no --events with --write');
if (values.hindsight) console.table(hindsight(readLives(values.events ?? BUILT_IN), HINDSIGHT_PRICES));
else compare();

function compare(): void {
  const real = figuresOf(readLives(values.events ?? BUILT_IN));
  const madeUp = values.events === undefined ? figuresOf(syntheticLives(), undefined, []) : null;
  if (values.write && madeUp !== null) {
    for (const [path, text] of Object.entries(keptFiles({ real, madeUp }))) writeFileSync(path, text);
  }
  if (values.json) {
    console.log(JSON.stringify({ ...real, madeUp }, null, 2));
    return;
  }
  console.log(terminalReport(real));
  if (madeUp !== null) console.log(`\nlives that are made up\n${terminalReport(madeUp)}`);
}
