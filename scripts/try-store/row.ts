/**
 * What was found of one store, as one row of the table in docs/stores.md. It stands alone because the table's head is
 * compared with it by a test. It asks nothing.
 */
import type { Check } from '../../src/cli/doctor-check.ts';
import type { ContractFacts } from './contract.ts';

export interface Facts {
  readonly checks: readonly Check[];
  readonly compaction: string;
  readonly contract?: ContractFacts;
}

/** A column and the check of `doctor` that fills it. */
const COLUMNS = [
  ['put, range, head, list', ['put', 'range', 'head', 'list']],
  ['If-None-Match', ['condition']],
  ['wrong checksum', ['checksum']],
  ['deletes', ['delete']],
  ['forms', ['forms']],
  ['versioning, lock, lifecycle', ['versioning', 'object lock', 'lifecycle']],
] as const;

const WORDS: Readonly<Record<string, Partial<Record<Check['status'], string>>>> = {
  'If-None-Match': { ok: 'honoured', warning: 'not honoured' },
  'wrong checksum': { ok: 'refused', warning: 'taken' },
  forms: { ok: 'all', warning: 'some are refused' },
  'versioning, lock, lifecycle': { ok: 'answered', warning: 'answered', failed: 'answered' },
};

export const HEAD = ['store', ...COLUMNS.map(([name]) => name), 'contract', 'a file compacted'];

export function rowOf(
  store: string,
  { checks, compaction, contract }: Facts,
): { readonly row: string; readonly fit: boolean } {
  const cells = COLUMNS.map(([column, names]) => cellOf(column, names, checks));
  const total = contract === undefined ? 0 : contract.passed + contract.failed.length;
  const kept = contract === undefined ? 'not asked' : `${contract.passed} of ${total}`;
  const compacted = compaction.startsWith('done') ? 'yes' : 'no';
  const fit = compacted === 'yes' && checks.every(({ status }) => status !== 'failed');
  return { row: `| ${[store, ...cells, kept, compacted].join(' | ')} |`, fit };
}

function cellOf(column: string, names: readonly string[], checks: readonly Check[]): string {
  const asked = names.map((name) => checks.find(({ check }) => check === name));
  const said = asked.map((check) =>
    check === undefined ? 'not asked' : (WORDS[column]?.[check.status] ?? check.status),
  );
  if (new Set(said).size === 1) return said[0] ?? '';
  return names.map((name, n) => `${name} ${said[n]}`).join(', ');
}
