/**
 * Processor time of starting the command line, beside that of a bare Node.js on the same machine at the same time: help,
 * version, usage errors, and `inspect` of a Redis that nobody serves. `npm run bench:start -- --command PATH` measures an
 * installed command instead of this checkout, whose types are stripped at every start.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { childrenSeconds } from '../servers/children-seconds.ts';

const { values } = parseArgs({ options: { command: { type: 'string' }, rounds: { type: 'string', default: '9' } } });
const COMMAND = values.command ?? fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
const ROUNDS = Number(values.rounds);
const NOBODY = ['--redis-url', 'redis://127.0.0.1:1', '--redis-timeout', '100ms'];
const LINES: readonly (readonly [string, readonly string[]])[] = [
  ['node -e 0', ['-e', '0']],
  ['--version', [COMMAND, '--version']],
  ['--help', [COMMAND, '--help']],
  ['a word that is no command', [COMMAND, 'nonsense']],
  ['inspect --help', [COMMAND, 'inspect', '--help']],
  ['inspect 1 1', [COMMAND, 'inspect', '1', '1', ...NOBODY]],
];

function secondsOf(args: readonly string[]): number {
  const before = childrenSeconds();
  const { error }: SpawnSyncReturns<Buffer> = spawnSync(process.execPath, args);
  if (error !== undefined) throw error;
  return childrenSeconds() - before;
}

// In turns, so that a machine that grows busy does it to all.
const seconds = new Map<string, number[]>(LINES.map(([name]) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, args] of LINES) seconds.get(name)?.push(secondsOf(args));
}
const medians = LINES.map(([name]) => {
  const all = seconds.get(name)?.toSorted((a, b) => a - b) ?? [];
  return { name, median: all[Math.floor(ROUNDS / 2)] ?? Number.NaN };
});
const bare = medians[0]?.median ?? Number.NaN;
for (const { name, median } of medians) {
  console.log(`${name.padEnd(26)} ${median.toFixed(2)} s  ${(median / bare).toFixed(1)} × node`);
}
