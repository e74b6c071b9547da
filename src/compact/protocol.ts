/**
 * The two ways in which a commit is kept right, one object each: all that differs between them in an attempt. Fenced: a
 * commit compares the list and the fence, so nothing of an attempt happens after its fence is gone. Time-bound (CurveFS,
 * docs/adr/0005): a commit compares nothing and may come late, so time keeps apart what a comparison cannot.
 */
import type { ReapLedger } from '../ledger.ts';
import type { CommitForm, MetadataStore } from '../metadata/port.ts';
import type { InodeKey, PlanPolicy } from '../model.ts';
import { type LedgerMs, later } from '../time.ts';
import type { AddedRecord } from './attempt.ts';
import { type ResolveUnknown, resolveByFence, resolveByTime } from './commit.ts';
import { type ListHead, type ReadHeadOptions, readAtOnce, readInParts } from './long-list.ts';
import { QuietRule } from './quiet-period.ts';
import type { ChunkLimits, CompactDeps, CompactOptions } from './types.ts';

/** Clocks of processes run apart, and a service may hold a request, by this much at most. */
export const LATE_COMMIT_SKEW_MS = 60_000;

interface CommitProtocol {
  /** How long what a late commit may still reference is kept, ms. */
  graceMs(times: Pick<ChunkLimits, 'graceMs' | 'leaseMs' | 'commitTimeoutMs'>): number;
  /** The policy of plans as the service allows it. */
  policy(policy: PlanPolicy): PlanPolicy;
  /** How a list is read that is longer than one commit may replace. */
  readHead(key: InodeKey, chunkIndex: number, options: ReadHeadOptions): Promise<ListHead>;
  /** When a file is left alone long enough; `null` where commits compare. */
  quiet(deps: CompactDeps, options: CompactOptions): QuietRule | null;
  /** What became of a commit without an answer. */
  readonly resolve: ResolveUnknown;
  /** Hands a record of a commit that is done to the reaper; `stampMs` is the ledger's time after the commit. */
  settle(
    ledger: ReapLedger,
    added: AddedRecord,
    at: { readonly stampMs: LedgerMs; readonly graceMs: number },
  ): Promise<void>;
}

const FENCED: CommitProtocol = {
  graceMs: ({ graceMs }) => graceMs,
  policy: (policy) => policy,
  readHead: readInParts,
  quiet: () => null,
  resolve: resolveByFence,
  settle: (ledger, { id, record }, { stampMs, graceMs }) =>
    ledger.stamp(id, { ...record, stampMs, dueMs: later(stampMs, graceMs) }),
};

const TIME_BOUND: CommitProtocol = {
  /** A commit that was planned on an older list can come until the lease that it was sent in, and its deadline, are over. */
  graceMs: ({ graceMs, leaseMs, commitTimeoutMs }) =>
    Math.max(graceMs, leaseMs + commitTimeoutMs + LATE_COMMIT_SKEW_MS),
  /**
   * CurveFS keeps a commit's list as one record, whose place among the records is that of its first chunkId: only merged
   * versions have the lowest, so one of them must come first (I2, ADR 8).
   */
  policy: (policy) => ({ ...policy, mergedFirst: true }),
  /** Nothing proves that two reads saw one list; and every read carries the whole list anyway. */
  readHead: readAtOnce,
  quiet: (deps, options) => new QuietRule(deps, options),
  resolve: resolveByTime,
  /**
   * Unstamped: somebody else's late commit may let go what was merged here, or reference again what was retired, so all
   * names are looked at twice, one grace period apart (I9, I12).
   */
  settle: (ledger, { id, record }) => ledger.expedite(id, record),
};

const PROTOCOLS: Readonly<Record<CommitForm, CommitProtocol>> = { fenced: FENCED, 'time-bound': TIME_BOUND };

/** The protocol of a metadata service. */
export function protocolOf({ commitForm }: Pick<MetadataStore, 'commitForm'>): CommitProtocol {
  return PROTOCOLS[commitForm];
}
