/**
 * What a plan knows of ages (docs/adr/0040): which ids and attempts are old by the ledger's clock, the only one that is asked.
 * The planner itself has no clock. Where nothing is known a plan is the same at any time.
 */
import type { ReapLedger } from '../ledger.ts';
import type { Filesystem, PlanPolicy } from '../model.ts';
import { wallMs } from '../time.ts';
import { attemptIdAt } from './attempt.ts';

export type AgeSource = Pick<ReapLedger, 'oldIds'>;

/** The policy with what is at rest by now. `lookOnly`: nothing is noted for later plans. */
export async function withRest(
  policy: PlanPolicy,
  filesystem: Filesystem,
  { ledger, lookOnly }: { readonly ledger: AgeSource | undefined; readonly lookOnly?: boolean },
): Promise<PlanPolicy> {
  const old = await ledger?.oldIds?.(filesystem, lookOnly);
  if (old === undefined || old === null) return policy;
  const { chunkId, atMs, againMs } = old;
  const again = againMs === undefined ? {} : { againMs: wallMs(againMs) };
  return { ...policy, rest: { chunkId, compaction: attemptIdAt(atMs), atMs: wallMs(atMs), ...again } };
}
