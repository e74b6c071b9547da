/**
 * The reap records of one chunk of an attempt: everything that it may leave behind, whichever way it ends, and what a
 * repair needs should a store turn out to have kept nothing. Apart from the steps of the chunk because a name that is lost
 * here leaks for ever: it is pure, and proved by itself. It writes nothing.
 */
import { printRecord } from '../format.ts';
import { REAP_NAMES_MAX, type ReapRecord } from '../ledger.ts';
import type { ChunkPlan, Filesystem } from '../model.ts';
import type { Attempt } from './attempt.ts';

interface RecordContext extends Pick<ReapRecord, 'retired' | 'merged'> {
  readonly storeId: string;
  readonly filesystem: Filesystem;
  /** How long what becomes unreferenced must stay, by the settings of this worker (docs/adr/0015). */
  readonly graceMs: number;
}

/** One record, or several where a plan has more names than one may hold. */
export function recordsOf(
  { chunkIndex, replaced }: Pick<ChunkPlan, 'chunkIndex' | 'replaced'>,
  attempt: Pick<Attempt, 'id' | 'key' | 'incarnation' | 'dueMs'>,
  { retired, merged, storeId, filesystem, graceMs }: RecordContext,
): ReapRecord[] {
  const { uuid, bucket, blockSize, chunkSize, objectPrefix } = filesystem;
  const { id, key, incarnation, dueMs } = attempt;
  const base = {
    storeId,
    fsUuid: uuid,
    bucket,
    layout: { blockSize, chunkSize, objectPrefix },
    key,
    chunkIndex,
    attempt: id,
    incarnation,
    dueMs,
    graceMs,
  };
  const count = Math.ceil((retired.length + merged.length) / REAP_NAMES_MAX);
  // As many of the list in each: a list may have far more versions than objects.
  const versions = Math.ceil(replaced.length / count);
  return Array.from({ length: count }, (_, n) => {
    const from = n * REAP_NAMES_MAX;
    const to = from + REAP_NAMES_MAX;
    return {
      ...base,
      retired: retired.slice(from, to),
      merged: merged.slice(Math.max(0, from - retired.length), Math.max(0, to - retired.length)),
      replaced: replaced.slice(n * versions, (n + 1) * versions).map(printRecord),
      ...(count === 1 ? {} : { replacedPart: { from: n * versions, of: replaced.length } }),
    };
  });
}
