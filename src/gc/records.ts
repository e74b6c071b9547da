/**
 * Which names the reap records cover, and how long their writers keep what is unreferenced. Apart because gc asks twice:
 * when it judges, and right before it deletes; both times after the lists were read, since an attempt records an object
 * before it writes it.
 */
import type { ReapRecords } from '../ledger.ts';

interface Covered {
  /** Those of the names that a record which is not done covers. */
  readonly names: ReadonlySet<string>;
  /** The longest grace period of any record, 0 where none says; other workers may have other settings (docs/adr/0015). */
  readonly graceMs: number;
}

export async function coveredNames(names: readonly string[], records: ReapRecords): Promise<Covered> {
  const wanted = new Set(names);
  const covered = new Set<string>();
  let longestMs = 0;
  for await (const { retired, merged, graceMs = 0 } of records.pending()) {
    longestMs = Math.max(longestMs, graceMs);
    for (const name of retired) if (wanted.has(name)) covered.add(name);
    for (const name of merged) if (wanted.has(name)) covered.add(name);
  }
  return { names: covered, graceMs: longestMs };
}
