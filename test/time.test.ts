/**
 * Times of two clocks do not mix: the compiler refuses each way to do it, which a fixture of such mistakes shows; and the
 * helpers reckon as with plain numbers.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, expectTypeOf, it } from 'vitest';
import type { Clock } from '../src/clock.ts';
import type { ReapLedger, ReapRecord } from '../src/ledger.ts';
import { elapsed, type LedgerMs, later, latest, ledgerMs, type MonotonicMs, monotonicMs, wallMs } from '../src/time.ts';

const TSC = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
const TIME = fileURLToPath(new URL('../src/time.ts', import.meta.url));
const BEGIN = `import { elapsed, type LedgerMs, later, latest, type MonotonicMs } from ${JSON.stringify(TIME)};
declare const ledger: LedgerMs; declare const own: MonotonicMs; declare function due(at: LedgerMs): void;
elapsed(ledger, ledger); later(own, 5); latest(ledger, later(ledger, 1)); due(ledger); export const past = own < later(own, 1);
`;
const MISTAKES = [
  'ledger - own',
  'ledger - Date.now()',
  'ledger + 5',
  'own - performance.now()',
  'ledger < own',
  'ledger <= Date.now()',
  'own >= 0',
  'ledger === own',
  'elapsed(ledger, own)',
  'elapsed(own, ledger)',
  'latest(ledger, own)',
  'later(Date.now(), 1)',
  'Math.max(ledger, 1)',
  'due(own)',
  'due(Date.now())',
  'due(later(own, 1))',
  'due(elapsed(ledger, ledger))',
];

it.each([
  { name: 'accepts what fits', mistakes: [] },
  { name: 'refuses each mistake', mistakes: MISTAKES },
])('the compiler $name', ({ mistakes }) => {
  const folder = mkdtempSync(join(tmpdir(), 'clocks-'));
  try {
    const file = join(folder, 'mixed.ts');
    writeFileSync(file, `${BEGIN}${mistakes.map((text) => `void (${text});`).join('\n')}\n`);
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--allowImportingTsExtensions',
      '--target',
      'es2024',
      '--module',
      'nodenext',
      '--types',
      '',
    ];
    const { stdout, status } = spawnSync(process.execPath, [TSC, ...options, file], { encoding: 'utf8' });
    expect(status === 0, stdout).toBe(mistakes.length === 0);
    const lines = [...stdout.matchAll(/mixed\.ts\((\d+),/g)].map(([, line]) => Number(line));
    expect([...new Set(lines)], stdout).toEqual(mistakes.map((_, n) => BEGIN.split('\n').length + n));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('I7: records have times of the ledger, and leases those of a monotonic clock', () => {
  expectTypeOf<ReapRecord['dueMs']>().toEqualTypeOf<LedgerMs>();
  expectTypeOf<ReapRecord['stampMs']>().toEqualTypeOf<LedgerMs | undefined>();
  expectTypeOf<ReturnType<ReapLedger['nowMs']>>().toEqualTypeOf<Promise<LedgerMs>>();
  expectTypeOf<ReturnType<Clock['monotonicMs']>>().toEqualTypeOf<MonotonicMs>();
  expectTypeOf<LedgerMs>().not.toExtend<number>();
  expectTypeOf<MonotonicMs>().not.toExtend<LedgerMs>();
});

it('reckons as with numbers', () => {
  const ms = fc.integer({ min: -1e15, max: 1e15 });
  fc.assert(
    fc.property(ms, ms, (a, b) => {
      expect(elapsed(ledgerMs(a), ledgerMs(b))).toBe(b - a);
      expect(wallMs(later(ledgerMs(a), b))).toBe(a + b);
      expect(latest(monotonicMs(a), monotonicMs(b))).toBe(Math.max(a, b));
      expect(ledgerMs(a) < ledgerMs(b)).toBe(a < b);
    }),
  );
});
