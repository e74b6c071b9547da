/**
 * What must be true of every planner answer, checked byte by byte against the oracle's view of the same list: what is
 * rewritten, what stays, which objects are named before and after, and every figure (DESIGN §3). The tests differ in
 * where their lists come from; the rules are here, once. It counts for itself and asks `src/` for names of plan parts only.
 */
import {
  mergedObjects,
  type PlanInput,
  planChunk,
  readCost,
  replacementList,
  retiredObjects,
} from '../../src/plan/index.ts';
import { blockExtents, namedObjects } from '../oracle/layout.ts';
import { oracleName } from '../oracle/names.ts';
import { fullReadGets } from '../oracle/reader.ts';
import type { OracleVersion } from '../oracle/types.ts';
import { bytesOf, type CandidateBlock, check, fail, fileOf, KEY, type View, viewOf } from './view.ts';

export type Plan = Extract<ReturnType<typeof planChunk>, { kind: 'plan' }>['plan'];

/** Any answer: a plan must keep every rule, and the two others must be justified. `attempt` names the merged objects. */
export function verifyDecision(input: PlanInput, attempt: bigint, view = viewOf(input)): Plan | null {
  const decision = planChunk(input);
  if (decision.kind === 'plan') {
    verifyPlan(input, view, decision.plan, attempt);
    return decision.plan;
  }
  const { versions, policy } = input;
  const qualifies = versions.length > policy.fragmentThreshold || view.beyond || view.seen.size < versions.length;
  if (!qualifies) {
    check(decision.kind === 'nothing', 'a chunk that does not qualify gives nothing');
    return null;
  }
  check(!view.beyond, 'bytes beyond the length are always worth a plan');
  check(allObjectsSeen(input, view), 'an object that nobody reads is always worth a plan');
  if (decision.kind === 'nothing') {
    check(view.candidates.length === 0, 'a block of several objects is worth a plan');
    return null;
  }
  const { budget } = input;
  check(budget !== undefined, 'over budget without a budget');
  for (const block of view.candidates) {
    const fits =
      budget.mergedVersions >= 1 && bytesOf(block) <= budget.bytes && block.readRequests + 1 <= budget.requests;
    check(!fits, 'over budget, but a block fits');
  }
  check(decision.cheapestBytes === Math.min(...view.candidates.map(bytesOf)), 'cheapestBytes is what it would take');
  check(
    view.candidates.some(
      (block) => bytesOf(block) === decision.cheapestBytes && block.readRequests + 1 === decision.cheapestRequests,
    ),
    'cheapestRequests belongs to a cheapest block',
  );
  return null;
}

function allObjectsSeen(input: PlanInput, view: View): boolean {
  for (const [position, version] of input.versions.entries()) {
    if (version.zero) continue;
    for (const { begin, end } of blockExtents(version, input.geometry)) {
      if (!view.owners.subarray(begin - view.chunkBegin, end - view.chunkBegin).includes(position)) return false;
    }
  }
  return true;
}

/** All the rules of DESIGN §3 for one plan; throws on the first that is broken. */
export function verifyPlan(input: PlanInput, view: View, plan: Plan, attempt: bigint): void {
  check(plan.chunkIndex === input.chunkIndex, 'chunkIndex');
  check(plan.replaced.length === input.versions.length, 'replaced is the whole list');
  for (const [position, version] of plan.replaced.entries()) {
    check(version === input.versions[position], 'replaced is exactly what was read');
  }
  verifyMerged(input, view, plan);
  verifyKept(input, view, plan);
  verifyReplacement(plan, attempt);
  verifyNames(input, plan, attempt);
  check(
    plan.requiredLength === (view.beyond ? input.length : undefined),
    'requiredLength exactly where bytes beyond go',
  );
}

function verifyMerged(input: PlanInput, view: View, plan: Plan): void {
  const wanted = new Map(view.candidates.map((block) => [block.blockIndex, block]));
  let previousEnd = Number.NEGATIVE_INFINITY;
  for (const version of plan.merged) {
    check(version.offset > previousEnd, 'merged versions ascend, are disjoint, and are joined where they touch');
    let at = version.offset;
    for (const block of version.blocks) {
      const expected = wanted.get(block.blockIndex);
      check(expected !== undefined, 'a block is rewritten once, and only if it has several objects');
      wanted.delete(block.blockIndex);
      check(block.begin === at, 'the blocks of a merged version follow each other');
      check(block.begin === expected.begin && block.end === expected.end, 'from first to last visible data byte');
      at = block.end;
      verifyReads(block, expected);
    }
    check(at === version.offset + version.len, 'a merged version is as long as its blocks');
    previousEnd = at;
  }
  check(plan.blocksLeft === wanted.size, 'blocksLeft counts what was not rewritten');
  if (input.budget === undefined) check(wanted.size === 0, 'without a budget every block of several objects goes');
}

function verifyReads(block: Plan['merged'][number]['blocks'][number], expected: CandidateBlock): void {
  let bytes = 0;
  for (const read of block.reads) {
    bytes += read.len;
    check(read.source.blockIndex === block.blockIndex, 'a block is made of objects of that block');
    for (const copy of read.copies) {
      check(copy.len > 0 && copy.from >= 0 && copy.from + copy.len <= read.len, 'a copy lies in what was read');
      check(copy.to >= 0 && copy.to + copy.len <= block.end - block.begin, 'a copy lies in the merged object');
    }
  }
  same('reads of a block', block.reads.length, expected.readRequests);
  same('bytes read for a block', bytes, expected.readBytes);
}

function verifyKept(input: PlanInput, view: View, plan: Plan): void {
  const { geometry } = input;
  const rewritten = new Set(plan.merged.flatMap((version) => version.blocks.map((block) => block.blockIndex)));
  const dataCover = new Uint8Array(view.owners.length);
  let position = 0;
  const placed: { version: OracleVersion; position: number }[] = [];
  for (const kept of plan.kept) {
    check(kept.offset + kept.len <= view.visibleEnd, 'nothing beyond the length is kept');
    const lastOwner = view.owners[kept.offset + kept.len - 1 - view.chunkBegin];
    // The owner tells apart two records of the same version.
    while (position !== lastOwner || !holds(input.versions[position], kept)) {
      position += 1;
      check(position < input.versions.length, 'a kept part lies in a replaced version, in the old order, and is read');
    }
    placed.push({ version: kept, position });
    const aligned = (kept.offset % geometry.chunkSize) % geometry.blockSize === 0;
    check(kept.offset === input.versions[position]?.offset || aligned, 'a kept start is unchanged or block-aligned');
    if (!kept.zero) dataCover.fill(1, kept.offset - view.chunkBegin, kept.offset - view.chunkBegin + kept.len);
  }
  for (const { version, position: at } of placed) {
    for (const extent of blockExtents(version, geometry)) {
      check(!rewritten.has(extent.blockIndex), 'a kept part never reaches into a rewritten block');
      const from = extent.begin - view.chunkBegin;
      const owners = view.owners.subarray(from, from + extent.end - extent.begin);
      check(owners.at(-1) === at, 'a kept part ends, in each of its blocks, with a byte that is read');
      if (version.zero) {
        const hides = owners.some((owner, n) => owner === at && dataCover[from + n] === 1);
        check(hides, 'a zero version stays only where it hides kept bytes');
      }
    }
  }
}

/** Whether `kept` can be a narrowed part of `version`. */
function holds(version: OracleVersion | undefined, kept: OracleVersion): boolean {
  return (
    version !== undefined &&
    version.chunkId === kept.chunkId &&
    version.compaction === kept.compaction &&
    version.zero === kept.zero &&
    version.size === kept.size &&
    version.offset <= kept.offset &&
    kept.len > 0 &&
    kept.offset + kept.len <= version.offset + version.len
  );
}

function verifyReplacement(plan: Plan, attempt: bigint): void {
  const list = replacementList(plan, attempt);
  check(list.length === plan.merged.length + plan.kept.length, 'the replacement is the merged and the kept versions');
  for (const [n, version] of list.entries()) {
    const merged = plan.merged[n];
    if (merged === undefined) {
      check(version === plan.kept[n - plan.merged.length], 'kept versions follow the merged ones in order');
      continue;
    }
    check(version.offset === merged.offset && version.len === merged.len, 'a merged version has its own extent');
    check(version.size === version.len && !version.zero, 'a merged version is data of its own length');
    check(version.chunkId === plan.mergedChunkId, 'merged versions share the lowest chunkId');
    check(version.compaction === attempt + BigInt(n), 'the n-th merged version is named attempt + n');
  }
  for (const version of plan.replaced) check(plan.mergedChunkId <= version.chunkId, 'no replaced chunkId is lower');
  check(
    plan.replaced.some((version) => version.chunkId === plan.mergedChunkId),
    'mergedChunkId is one of the replaced',
  );
}

function verifyNames(input: PlanInput, plan: Plan, attempt: bigint): void {
  const before = namedObjects(fileOf(input));
  const after = namedObjects(fileOf(input, replacementList(plan, attempt)));
  const merged = new Set<string>();
  for (const { object } of mergedObjects(plan, attempt)) {
    const name = oracleName(KEY, object, object.blockIndex);
    if (merged.has(name) || before.has(name)) fail(`merged name ${name} is taken (I3)`);
    if (!after.has(name)) fail(`the replacement does not name ${name}, which the plan writes`);
    merged.add(name);
  }
  for (const [name, bytes] of after) {
    if (merged.has(name)) continue;
    if (bytes > (before.get(name) ?? 0)) fail(`the replacement names ${bytes} bytes of ${name}, which are not there`);
  }
  const retired = new Set<string>();
  for (const object of retiredObjects(plan, input.geometry)) {
    const name = oracleName(KEY, object, object.blockIndex);
    if (retired.has(name) || !before.has(name) || after.has(name)) fail(`${name} is retired twice or wrongly`);
    retired.add(name);
  }
  for (const name of before.keys()) if (!after.has(name) && !retired.has(name)) fail(`${name} is not retired`);
}

/** Cost and gain are what the oracle counts, and the cost is within the budget. */
export function verifyFigures(input: PlanInput, plan: Plan, attempt: bigint): void {
  const view = viewOf(input);
  const before = countsOf(input, input.versions);
  const after = countsOf(input, replacementList(plan, attempt));
  const rewritten = new Set(plan.merged.flatMap((version) => version.blocks.map((block) => block.blockIndex)));
  const cost = { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 };
  for (const block of view.candidates) {
    if (!rewritten.has(block.blockIndex)) continue;
    cost.readRequests += block.readRequests;
    cost.readBytes += block.readBytes;
    cost.writeRequests += 1;
    cost.writeBytes += block.end - block.begin;
  }
  for (const [name, value] of Object.entries(cost)) same(`cost.${name}`, plan.cost[name as keyof typeof cost], value);
  const { gain } = plan;
  same('getsBefore', gain.getsBefore, before.gets);
  same('getsAfter', gain.getsAfter, after.gets);
  same('versionsBefore', gain.versionsBefore, before.versions);
  same('versionsAfter', gain.versionsAfter, after.versions);
  same('objectsBefore', gain.objectsBefore, before.objects);
  same('objectsAfter', gain.objectsAfter, after.objects);
  same('storedBytesBefore', gain.storedBytesBefore, before.storedBytes);
  same('storedBytesAfter', gain.storedBytesAfter, after.storedBytes);
  const { budget } = input;
  if (budget !== undefined) {
    check(cost.readBytes + cost.writeBytes <= budget.bytes, 'bytes within the budget');
    check(cost.readRequests + cost.writeRequests <= budget.requests, 'requests within the budget');
    check(plan.merged.length <= budget.mergedVersions, 'merged versions within the budget');
  }
  check(Number.isFinite(plan.score) && plan.score >= 0, 'the score is a number');
}

/** What the oracle counts for a list; `readCost` must say the same. */
export function countsOf(input: PlanInput, versions: readonly OracleVersion[]) {
  const file = fileOf(input, versions);
  const named = namedObjects(file);
  let storedBytes = 0;
  for (const bytes of named.values()) storedBytes += bytes;
  const counts = { gets: fullReadGets(file), versions: versions.length, objects: named.size, storedBytes };
  const { chunkIndex, geometry, length } = input;
  const cost = readCost({ chunkIndex, geometry, length, versions });
  for (const [name, value] of Object.entries(counts)) same(name, cost[name as keyof typeof counts], value);
  return counts;
}

function same(name: string, actual: number, expected: number): void {
  if (actual !== expected) fail(`${name} is ${actual}, the oracle counts ${expected}`);
}
