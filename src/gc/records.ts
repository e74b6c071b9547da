/**
 * Which names the reap records cover. Apart because gc asks twice: when it judges, and right before it deletes; both
 * times after the lists were read, since an attempt records an object before it writes it.
 */
import type { ReapRecords } from '../ledger.ts';

/** Those of the names that a record which is not done covers. */
export async function coveredNames(names: readonly string[], records: ReapRecords): Promise<ReadonlySet<string>> {
  const wanted = new Set(names);
  const covered = new Set<string>();
  for await (const { retired, merged } of records.pending()) {
    for (const name of retired) if (wanted.has(name)) covered.add(name);
    for (const name of merged) if (wanted.has(name)) covered.add(name);
  }
  return covered;
}
