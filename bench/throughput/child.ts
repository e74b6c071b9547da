/**
 * One contestant on one case, in a process of its own, so that nobody meets another's heap: prints one line of JSON. It
 * warms up on a small form of the case, and measures the rest from inside: time, CPU of this process, peak RSS.
 */

import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { compactInode } from '../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { storesWithRetries } from '../../src/objects/retrying-store.ts';
import { S3ObjectStores } from '../../src/objects/s3/stores.ts';
import { LedgerState, MemoryLedger } from '../../test/sim/memory-ledger.ts';
import { MemoryMetadata } from '../../test/sim/memory-metadata.ts';
import { BareLoop } from './bare.ts';
import { type Case, worldOf } from './cases.ts';
import { LIMITS, MEMORY_BYTES } from './limits.ts';
import { tasksOf } from './tasks.ts';

export type Contestant = 'ours' | 'sdk' | 'bare' | 'dispatch';

export interface ChildOrder {
  readonly contestant: Contestant;
  readonly one: Case;
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Figures {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly requests: number;
  /** Read plus written. */
  readonly bytes: number;
  readonly idleRssBytes: number;
  readonly peakRssBytes: number;
}

interface Moved {
  readonly requests: number;
  readonly bytes: number;
}

type Contest = (one: Case) => Promise<Moved>;

function compaction(order: ChildOrder): Contest {
  const { endpoint, accessKeyId, secretAccessKey } = order;
  const stores = storesWithRetries(
    new S3ObjectStores({
      endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId, secretAccessKey },
      dataPath: order.contestant === 'sdk' ? 'sdk' : 'fast',
    }),
    { clock: systemClock },
  );
  const memory = new MemoryBudget(MEMORY_BYTES);
  const attemptIds = new AttemptIds();
  return async (one) => {
    const { state, keys } = worldOf(one);
    const ledgerState = new LedgerState();
    ledgerState.clock = () => Date.now();
    const deps = {
      metadata: new MemoryMetadata(state),
      objects: stores,
      ledger: new MemoryLedger(ledgerState),
      clock: systemClock,
      memory,
      attemptIds,
    };
    const moved = { requests: 0, bytes: 0 };
    await atOnce(keys, one.inodesInFlight, async (key) => {
      const result = await compactInode(key, deps, { limits: LIMITS });
      if (result.outcome !== 'compacted' || result.chunksLeft > 0)
        throw new Error(`${result.outcome}: ${result.reason}`);
      const { readRequests, readBytes, writeRequests, writeBytes } = result.cost;
      moved.requests += readRequests + writeRequests;
      moved.bytes += readBytes + writeBytes;
    });
    return moved;
  };
}

function bareLoop(order: ChildOrder): Contest {
  const loop = new BareLoop(order.endpoint, order.contestant === 'dispatch' ? 'dispatch' : 'request');
  let attempt = BigInt(Date.now());
  return async (one) => {
    attempt += 10_000n;
    const inodes = tasksOf(one, worldOf(one).state, attempt);
    const moved = { requests: 0, bytes: 0 };
    for (const tasks of inodes) {
      for (const { bytes, reads } of tasks) {
        moved.requests += reads.length + 1;
        moved.bytes += bytes + reads.reduce((sum, { read }) => sum + read.len, 0);
      }
    }
    begin();
    await atOnce(inodes, one.inodesInFlight, (tasks) => loop.run(tasks));
    return moved;
  };
}

async function atOnce<T>(items: readonly T[], most: number, run: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await run(item);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

let beganMs = 0;
let cpuBegan = process.cpuUsage();

/** From here on it counts; making the lists, and the bare loop's plan, does not. */
function begin(): void {
  beganMs = performance.now();
  cpuBegan = process.cpuUsage();
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder;
const isBare = order.contestant === 'bare' || order.contestant === 'dispatch';
const contest = isBare ? bareLoop(order) : compaction(order);
const idleRssBytes = process.memoryUsage.rss();
await contest({ ...order.one, chunksPerInode: 1, inodes: Math.min(8, order.one.inodes) });
begin();
const moved = await contest(order.one);
const wallMs = performance.now() - beganMs;
const { user, system } = process.cpuUsage(cpuBegan);
const figures: Figures = {
  ...moved,
  wallMs,
  cpuMs: (user + system) / 1000,
  idleRssBytes,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
process.exit();
