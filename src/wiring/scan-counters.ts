/**
 * What one scan adds to the counters, as it goes: a scan of a large file system takes hours, and one that goes on where
 * another stopped begins with what that one had found. It counts; it decides nothing.
 */
import type { Metrics } from '../observe/metrics.ts';
import type { ScanEnding, ScanProgress } from '../scan/types.ts';
import type { Backlog } from '../scan-port.ts';

/** Sums so far, this scan's own. */
const NONE = { worthwhile: 0, nothing: 0, failed: 0, queued: 0, inFlight: 0 };
type Sums = typeof NONE;

export class ScanTally {
  readonly #metrics: Metrics | undefined;
  readonly #dry: boolean;
  /** What an earlier scan had found; known when the first progress is reported, or there was none. */
  #before: Backlog | undefined;
  readonly #counted = { ...NONE };

  constructor(metrics: Metrics | undefined, how: { readonly dryRun: boolean }) {
    this.#metrics = metrics;
    this.#dry = how.dryRun;
  }

  progress({ backlog, queued, held }: ScanProgress): void {
    const before = this.#before ?? (queued + held > 0 ? undefined : backlog);
    this.#before ??= before;
    const since = (name: keyof Backlog) => backlog[name] - (before?.[name] ?? 0);
    const [worthwhile, failed] = [since('inodesWorthIt'), since('unreadable')];
    this.#count({
      worthwhile,
      failed,
      queued,
      nothing: since('inodes') - worthwhile - failed,
      inFlight: worthwhile - queued - held,
    });
  }

  ended(ending: ScanEnding | 'failed'): void {
    const result = ending === 'done' ? 'complete' : ending === 'failed' ? 'failed' : 'stopped';
    this.#metrics?.count('s3compact_scans_total', 1, { result });
  }

  /** A walk that begins anew finds the same again: only what is more than before counts. */
  #count(sums: Sums): void {
    const more = (name: keyof Sums) => {
      const by = Math.max(0, sums[name] - this.#counted[name]);
      this.#counted[name] += by;
      return by;
    };
    for (const result of ['worthwhile', 'nothing', 'failed'] as const)
      this.#metrics?.count('s3compact_scan_inodes_total', more(result), { result });
    if (this.#dry) return;
    this.#metrics?.count('s3compact_scan_enqueued_total', more('queued'), { result: 'queued' });
    this.#metrics?.count('s3compact_scan_enqueued_total', more('inFlight'), { result: 'in-flight' });
  }
}
