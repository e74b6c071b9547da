/**
 * The old clock: replays a life under a policy. After each flush the policy may compact the chunks that changed, and then the
 * file is read once: as if readers came only while it is written. It counts requests and bytes; it does no I/O.
 */
import type { PlanCost } from '../../src/model.ts';
import { FileState } from './file-state.ts';
import type { Life } from './life.ts';
import type { Policy } from './policies.ts';

/** What a policy came to over one life. Averages are over flushes. */
export interface Outcome {
  readonly flushes: number;
  readonly cost: PlanCost;
  readonly compactions: number;
  readonly objectsDeleted: number;
  /** GETs of one full sequential read. */
  readonly getsAverage: number;
  readonly versionsAverage: number;
  /** Bytes of all objects after each flush, and those that a list makes visible. */
  readonly storedBytes: readonly number[];
  readonly visibleBytes: readonly number[];
}

export function replay(life: Life, policy: Policy): Outcome {
  const file = new FileState(life.geometry);
  const changed = new Set<number>();
  const sum = { gets: 0, versions: 0 };
  const storedBytes: number[] = [];
  const visibleBytes: number[] = [];
  for (const event of life.events) {
    if (event.kind === 'append') {
      file.append(event.chunkIndex, event.version);
      changed.add(event.chunkIndex);
    } else if (event.kind === 'length') {
      for (const chunkIndex of file.setLength(event.length)) changed.add(chunkIndex);
    } else {
      for (const chunkIndex of changed) file.compact(chunkIndex, policy.compact);
      changed.clear();
      const now = file.look();
      sum.gets += now.gets;
      sum.versions += now.versions;
      storedBytes.push(now.storedBytes);
      visibleBytes.push(now.dataBytes);
    }
  }
  const flushes = storedBytes.length;
  const { cost, compactions, deleted: objectsDeleted } = file;
  const [getsAverage, versionsAverage] = [sum.gets / Math.max(1, flushes), sum.versions / Math.max(1, flushes)];
  return { flushes, cost, compactions, objectsDeleted, getsAverage, versionsAverage, storedBytes, visibleBytes };
}
