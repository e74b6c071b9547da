/**
 * `npm run bench:lifecycle [-- --events DIR] [--json] [--write] [--yardstick] [--juicefs]`: what each policy moves over the
 * lives of files, and what reading costs meanwhile. Nothing is stored or timed: the figures are counts and repeat exactly.
 * Peers' rules are written from their sources (policies.ts), in our layout. `--write` renews the picture and the tables in
 * `docs/`; `--yardstick`: the clock of time, and how far each life is from what could be had by somebody who knows the future
 * (yardstick.ts); `--juicefs`: the same lives in slices (slice-report.ts).
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { figuresOf } from './figures.ts';
import { BUILT_IN, keptFiles, MORE } from './files.ts';
import { readLives } from './life.ts';
import { terminalReport } from './report.ts';
import { sliceTable } from './slice-report.ts';
import { syntheticLives } from './synthetic.ts';
import { distances, leaveOneOut, PASS_MS, RATES, timeTable } from './yardstick.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    yardstick: { type: 'boolean', default: false },
    juicefs: { type: 'boolean', default: false },
  },
});

if (values.write && values.events !== undefined)
  throw new Error('docs/ shows the built-in lives: no --events with --write');
const given = values.events === undefined ? undefined : readLives(values.events);
if (values.juicefs) slices();
else if (values.yardstick) measure();
else compare();

function measure(): void {
  const lives = given ?? [...readLives(BUILT_IN), ...readLives(MORE)];
  for (const readsPerHour of RATES) console.log(`${timeTable(lives, { readsPerHour, passMs: PASS_MS })}\n`);
  console.log(`${distances(lives, { readsPerHour: 10, passMs: PASS_MS })}\n`);
  console.log(leaveOneOut(lives));
}

function slices(): void {
  const lives = given ?? [...readLives(BUILT_IN), ...readLives(MORE)];
  const times = RATES.map((readsPerHour) => ({ readsPerHour, passMs: PASS_MS }));
  for (const clock of [...times, undefined]) console.log(`${sliceTable(lives, clock)}\n`);
}

function compare(): void {
  const real = figuresOf(given ?? readLives(BUILT_IN));
  const madeUp = given === undefined ? figuresOf(syntheticLives(), undefined, []) : null;
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
