/**
 * Plans one chunk list without any server: the planner is a pure function.
 * In a checkout: `node examples/plan-a-list.ts`; elsewhere import from 's3compact'.
 */
import { planChunk, readCost, replacementList, type S3ChunkInfo } from '../src/index.ts';

const KIB = 1024;

// A log that grew by 64 appends of 16 KiB.
const versions: S3ChunkInfo[] = Array.from({ length: 64 }, (_, n) => ({
  chunkId: BigInt(n + 1),
  compaction: 0n,
  offset: n * 16 * KIB,
  len: 16 * KIB,
  size: 16 * KIB,
  zero: false,
}));
const chunk = {
  geometry: { blockSize: 4096 * KIB, chunkSize: 65536 * KIB },
  chunkIndex: 0,
  versions,
  length: 1024 * KIB,
};
const policy = { fragmentThreshold: 4, readGapBytes: 64 * KIB, bytesPerGet: 768 * KIB };

console.log(`GETs of a full read now: ${readCost(chunk).gets}`);
const decision = planChunk({ ...chunk, policy });
if (decision.kind === 'plan') {
  const { gain, cost } = decision.plan;
  console.log(`GETs after the plan: ${gain.getsAfter}`);
  console.log(`bytes moved for it: ${cost.readBytes + cost.writeBytes}`);
  console.log(`versions: ${versions.length} before, ${replacementList(decision.plan, 4096n).length} after`);
} else console.log(`the planner says: ${decision.kind}`);
