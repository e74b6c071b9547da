/**
 * What must hold when the faults are over and the queues are empty (I1, I12): every byte right, every referenced object there
 * and long enough, no quarantine, no failed reap record, and nothing else in the bucket. What is left over is
 * told apart by evidence only: a writer's own put without its list entry, or a reap record that stands in the bytes that
 * Redis lost. Anything else is a leak.
 */
import type { Redis } from 'ioredis';
import type { CompactQueue } from '../../src/queue/compact-queue.ts';
import type { ReapQueue } from '../../src/queue/reap-queue.ts';
import { referencedObjects } from '../kit/oracle/layout.ts';
import { faultOfRead } from './actors.ts';
import type { ChaosClient } from './client.ts';
import type { Journal } from './journal.ts';
import { FS_ID, GEOMETRY, QUEUE_PREFIX } from './settings.ts';
import type { Tally } from './tally.ts';

export interface VerdictStage {
  readonly client: ChaosClient;
  readonly queue: CompactQueue;
  readonly ledger: ReapQueue;
  readonly redis: Redis;
  readonly tally: Tally;
  /** Of these names those whose reap record was added within a second that Redis lost. */
  readonly recordLost: (names: readonly string[]) => readonly string[];
  /** What Redis's file says of an object's records. */
  readonly evidence: (name: string) => string;
}

/** Objects that nothing references, by what explains them. */
export interface Leftovers {
  /** Put by a writer whose MULTI did not happen, or was lost. */
  readonly writers: readonly string[];
  /** Named in a reap record that was added within the second that Redis lost. */
  readonly recordLost: readonly string[];
  readonly leaked: readonly string[];
}

export async function judge(stage: VerdictStage): Promise<Leftovers> {
  const { client, tally } = stage;
  const referenced = new Map<string, number>();
  for (const journal of client.journals) {
    for (const [name, bytes] of await judgeFile(stage, journal)) referenced.set(name, bytes);
  }
  const sizes = await client.lists.files.bucketSizes();
  for (const [name, bytes] of referenced) {
    const size = sizes.get(name);
    if (size === undefined) tally.violate(`object ${name} is referenced and missing`);
    else if (size < bytes) tally.violate(`object ${name} has ${size} bytes, the lists need ${bytes}`);
  }
  await judgeQueues(stage);
  return leftoversOf(
    stage,
    [...sizes.keys()].filter((name) => !referenced.has(name)),
  );
}

/** Every byte by the history; returns what the lists reference. */
async function judgeFile({ client, tally }: VerdictStage, journal: Journal): Promise<Map<string, number>> {
  const { inodeId } = journal;
  const snapshot = await client.snapshot(journal);
  if (snapshot === null) {
    tally.violate(`inode ${inodeId}: a write is not settled at the end`);
    return new Map();
  }
  const { state } = snapshot;
  for (let begin = 0; begin < state.length; begin += GEOMETRY.chunkSize) {
    const end = Math.min(state.length, begin + GEOMETRY.chunkSize);
    const fault = await faultOfRead(client, { snapshot, begin, end });
    if (fault !== null) tally.violate(`inode ${inodeId} at the end: ${fault}`);
    tally.add('bytes', end - begin);
  }
  tally.add('reads');
  if (await client.lists.fenced(inodeId)) tally.add('fencesLeft');
  return referencedObjects(state);
}

async function judgeQueues({ client, queue, ledger, redis, tally }: VerdictStage): Promise<void> {
  const failed = await ledger.queue.getFailedCount();
  if (failed > 0) tally.violate(`${failed} reap records failed`);
  const quarantined = (await redis.keys(`${QUEUE_PREFIX}:quarantine:*`)).length;
  if (quarantined > 0) tally.violate('inodes are in quarantine');
  for (const { inodeId } of client.journals) {
    const jobId = await queue.jobIdOf({ fsId: FS_ID, inodeId });
    if (jobId !== null) tally.violate(`inode ${inodeId} counts as queued for ever (job ${jobId})`);
  }
}

function leftoversOf(
  { client, tally, recordLost, evidence }: VerdictStage,
  unreferenced: readonly string[],
): Leftovers {
  const committed = new Set<string>();
  for (const { inodeId, entries } of client.journals) {
    for (const { version } of entries) {
      if (version === undefined) continue;
      const index = Math.floor(version.offset / GEOMETRY.chunkSize);
      const file = {
        fsId: FS_ID,
        inodeId,
        objectPrefix: 0,
        geometry: GEOMETRY,
        length: 0,
        lists: new Map([[index, [version]]]),
      };
      for (const name of referencedObjects(file).keys()) committed.add(name);
    }
  }
  const writers = unreferenced.filter((name) => client.putNames.has(name) && !committed.has(name));
  const others = unreferenced.filter((name) => !writers.includes(name));
  const lost = recordLost(others);
  const leaked = others.filter((name) => !lost.includes(name));
  for (const name of leaked)
    tally.violate(`object ${name} is leaked: no list references it; its records: ${evidence(name)}`);
  return { writers, recordLost: lost, leaked };
}
