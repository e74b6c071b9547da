/**
 * `npm run bench:goodput -- [--tries 4] [--quick] [--seed 1]`: what is left of a run's requests on a store that refuses some.
 * Runs of 100 and of 10,000 requests, 1 to 50 % of them refused, by both ways that requests go, against a bare loop on the
 * same server that is refused nothing; the bare loop runs before each row. Waits are leapt over and counted
 * where nothing else was under way.
 */
import { parseArgs } from 'node:util';
import { bareRun, type RunFacts, refusedRun, WAYS } from './run.ts';
import { startRefusingServer } from './server.ts';

const FORMS = [
  { calls: 100, runs: 20, shares: [0, 0.01, 0.1, 0.3, 0.5] },
  { calls: 10_000, runs: 1, shares: [0.01, 0.1, 0.3, 0.5] },
];
const BARE_CALLS = 2_000;

const { values } = parseArgs({
  options: {
    tries: { type: 'string' },
    quick: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  },
});
const reasons = new Set<string>();
const server = await startRefusingServer(Number(values.seed));
const columns = [
  'way',
  'requests',
  'refused',
  'finished',
  'useful of all',
  'idle in each run',
  'CPU time, of the bare loop',
];
// What is compiled at first would count against the first rows.
for (const way of WAYS) await refusedRun(server, { way, calls: BARE_CALLS });
row(columns);
row(columns.map((_, n) => (n === 0 ? '---' : '--:')));
for (const { calls, runs, shares } of values.quick ? FORMS.slice(0, 1) : FORMS)
  for (const way of WAYS)
    for (const share of shares) {
      server.refuse(0);
      const bare = await bareRun(server, BARE_CALLS);
      const all: RunFacts[] = [];
      for (let n = 0; n < runs; n++) {
        server.refuse(share);
        const tries = values.tries === undefined ? {} : { triesMax: Number(values.tries) };
        all.push(await refusedRun(server, { way, calls, ...tries }));
      }
      const sum = (of: (facts: RunFacts) => number): number => all.reduce((total, facts) => total + of(facts), 0);
      for (const { error } of all) if (error !== undefined) reasons.add(error.code);
      const useful = sum((facts) => facts.useful);
      const cost = sum((facts) => facts.cpuMs) / useful;
      row([
        way,
        String(calls),
        `${share * 100} %`,
        `${all.filter(({ finished }) => finished).length} of ${runs}`,
        (useful / sum((facts) => facts.requests)).toFixed(3),
        `${(sum((facts) => facts.waitedMs) / runs / 1_000).toFixed(1)} s`,
        `${(cost / (bare.cpuMs / bare.useful)).toFixed(1)} times`,
      ]);
    }
await server.close();
for (const reason of reasons) console.log(`given up: ${reason}`);

function row(cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}
