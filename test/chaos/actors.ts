/**
 * Those who live on the file system while its servers die: writers, readers by current and by stale lists, and whoever
 * queues inodes. Each takes its chances from a seed of its own. What a reader finds wrong is a violation at once; that
 * a server is away is not, everybody tries again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { CompactQueue } from '../../src/queue/compact-queue.ts';
import { readRange } from '../kit/oracle/reader.ts';
import { Random } from '../sim/seeded/random.ts';
import { type ChaosClient, ObjectMissing, type Snapshot } from './client.ts';
import type { Journal } from './journal.ts';
import { FILE_BYTES_MAX, FS_ID, GEOMETRY } from './settings.ts';
import type { Tally } from './tally.ts';

export interface Stage {
  readonly client: ChaosClient;
  readonly queue: CompactQueue;
  readonly tally: Tally;
  readonly seed: number;
  /** Aborted when the time is over. */
  readonly over: AbortSignal;
}

/** After a failure: a server is away, and others need the processor. */
const RETRY_MS = 50;
const WRITE_EVERY_MS = 25;
/** Half of all writes go to so many inodes: there they meet each other and the compactors. */
const HOT_INODES = 4;
/** Where files rest: of so many files one is written to, for so long; then it is the next one's turn. */
const RESTING_IN = 8;
const WRITTEN_FOR_MS = 4_000;
/** One write in so many goes to a file that rests. */
const DISTURB_IN = 100;
const READ_EVERY_MS = 25;
const ENQUEUE_EVERY_MS = 60;

/** Repeats `step` until the time is over. */
async function live(stage: Stage, actor: number, step: (random: Random) => Promise<void>): Promise<void> {
  const random = new Random(stage.seed * 1_000 + actor);
  while (!stage.over.aborted) await step(random);
}

/** Waits, but not beyond the end. */
async function pause(stage: Stage, ms: number): Promise<void> {
  await delay(ms, undefined, { signal: stage.over }).catch(() => undefined);
}

export function writer(stage: Stage, actor: number): Promise<void> {
  return live(stage, actor, async (random) => {
    const journal = random.pick(writtenNow(stage.client, random));
    try {
      await writeOnce(stage.client, journal, random);
      await pause(stage, random.below(2 * WRITE_EVERY_MS));
    } catch {
      // Whether it was done is settled by the journal; the next write is another one.
      await pause(stage, RETRY_MS);
    }
  });
}

/** Half of all writes to a few; or, where files rest, to those whose turn it is. */
function writtenNow({ journals, lists }: ChaosClient, random: Random): readonly Journal[] {
  if (!lists.resting) return random.below(2) === 0 ? journals.slice(0, HOT_INODES) : journals;
  if (random.below(DISTURB_IN) === 0) return journals;
  const turn = Math.floor(performance.now() / WRITTEN_FOR_MS);
  return journals.filter((_, n) => (turn + n) % RESTING_IN === 0);
}

async function writeOnce(client: ChaosClient, journal: Journal, random: Random): Promise<void> {
  const { length } = journal;
  const dice = random.below(100);
  if (dice < 4) return client.truncate(journal, random.below(length + 1));
  if (dice < 8) return client.truncate(journal, Math.min(FILE_BYTES_MAX, length + random.below(GEOMETRY.chunkSize)));
  const append = dice < 50 && length < FILE_BYTES_MAX;
  const offset = append ? length : random.below(FILE_BYTES_MAX);
  const roomBytes = Math.min(GEOMETRY.chunkSize - (offset % GEOMETRY.chunkSize), FILE_BYTES_MAX - offset);
  const wanted = dice % 10 === 0 ? 1 + random.below(5 * GEOMETRY.blockSize) : 1 + random.below(GEOMETRY.blockSize / 2);
  await client.write(journal, { offset, len: Math.min(roomBytes, wanted), zero: !append && dice >= 92 });
}

/** Reads by the lists of this moment, or holds them for a part of the grace period first. */
export function reader(stage: Stage, actor: number, stale: boolean): Promise<void> {
  return live(stage, actor, async (random) => {
    const snapshot = await stage.client.snapshot(random.pick(stage.client.journals)).catch(() => null);
    if (snapshot === null || snapshot.state.length === 0) return pause(stage, RETRY_MS);
    if (stale) await pause(stage, random.below(stage.client.lists.graceMs));
    await readChunk(stage, snapshot, { random, stale });
    await pause(stage, random.below(2 * READ_EVERY_MS));
  });
}

/** One chunk by the snapshot, tried again until it is read or the grace period is over. */
async function readChunk(
  stage: Stage,
  snapshot: Snapshot,
  how: { readonly random: Random; readonly stale: boolean },
): Promise<void> {
  const { client, tally } = stage;
  const { state, takenAtMs } = snapshot;
  const begin = how.random.below(Math.ceil(state.length / GEOMETRY.chunkSize)) * GEOMETRY.chunkSize;
  const end = Math.min(state.length, begin + GEOMETRY.chunkSize);
  const leftMs = () => takenAtMs + client.lists.graceMs - performance.now();
  while (leftMs() > 0) {
    const fault = await faultOfRead(client, { snapshot, begin, end });
    if (leftMs() <= 0) break;
    if (fault === 'unavailable') {
      await delay(RETRY_MS);
      continue;
    }
    if (fault !== null) {
      const ageMs = Math.round(performance.now() - takenAtMs);
      tally.violate(`inode ${state.inodeId}, bytes ${begin}-${end}, lists ${ageMs} ms old: ${fault}`);
    }
    tally.add(how.stale ? 'staleReads' : 'reads');
    tally.add('bytes', end - begin);
    return;
  }
  tally.add('readsLate');
}

/** What is wrong, `null` when nothing is, or `unavailable` when nobody can tell. */
export async function faultOfRead(
  client: ChaosClient,
  read: { readonly snapshot: Snapshot; readonly begin: number; readonly end: number },
): Promise<string | null> {
  const { snapshot, begin, end } = read;
  let objects: ReadonlyMap<string, Uint8Array>;
  try {
    objects = await client.fetch(snapshot.state, begin, end);
  } catch (error) {
    return error instanceof ObjectMissing ? error.message : 'unavailable';
  }
  try {
    const bytes = readRange(snapshot.state, begin, end, (name) => objects.get(name));
    return snapshot.history.mismatch(bytes, begin);
  } catch (error) {
    return (error as Error).message;
  }
}

/** Queues one inode after the other, again and again, as an eager scan would. */
export function feeder(stage: Stage, actor: number): Promise<void> {
  return live(stage, actor, async (random) => {
    const { inodeId } = random.pick(stage.client.journals);
    try {
      await stage.queue.enqueue({ fsId: FS_ID, inodeId }, 'scan');
      stage.tally.add('enqueued');
      await pause(stage, random.below(2 * ENQUEUE_EVERY_MS));
    } catch {
      await pause(stage, RETRY_MS);
    }
  });
}
