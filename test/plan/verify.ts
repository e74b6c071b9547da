/**
 * What must be true of every planner answer, checked byte by byte against the oracle's view of the same list: what is
 * rewritten, what stays, which objects are referenced before and after, and every figure. The tests differ in
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
import { blockExtents, referencedObjects } from '../kit/oracle/layout.ts';
import { oracleName } from '../kit/oracle/names.ts';
import { fullReadGets } from '../kit/oracle/reader.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import { checkSpace, storedBytesOf, visibleBytesOf, WASTE_MAX } from './space-rules.ts';
import {
  bytesOf,
  type CandidateBlock,
  type Cost,
  check,
  costOf,
  fail,
  fileOf,
  KEY,
  type View,
  viewOf,
} from './view.ts';
import { checkWorth, limitless, nothingIsWorth, priced } from './worth.ts';

export type Plan = Extract<ReturnType<typeof planChunk>, { kind: 'plan' }>['plan'];

/** Any answer: a plan must keep every rule, and the two others must be justified. `attempt` names the merged objects. */
export function verifyDecision(input: PlanInput, attempt: bigint, view = viewOf(input)): Plan | null {
  const decision = planChunk(input);
  if (decision.kind === 'plan') {
    verifyPlan(input, view, decision.plan, attempt);
    return decision.plan;
  }
  const { versions, policy } = input;
  const space = { storedBytes: storedBytesOf(versions, input.geometry), visibleBytes: visibleBytesOf(input, view) };
  same('storedBytes', decision.storedBytes, space.storedBytes);
  same('visibleBytes', decision.visibleBytes, space.visibleBytes);
  const wasteful = priced(input) && space.storedBytes > WASTE_MAX * space.visibleBytes;
  const qualifies =
    versions.length > policy.fragmentThreshold || view.beyond || wasteful || view.seen.size < versions.length;
  if (!qualifies) {
    check(decision.kind === 'nothing', 'a chunk that does not qualify gives nothing');
    return null;
  }
  check(!view.beyond, 'bytes beyond the length are always worth a plan');
  check(allObjectsSeen(input, view), 'an object that nobody reads is always worth a plan');
  if (decision.kind === 'nothing') {
    check(!wasteful, 'too much that nobody reads is always worth a plan');
    nothingIsWorth(input, view);
    return null;
  }
  const { budget } = input;
  check(budget !== undefined, 'over budget without a budget');
  if (!limitless(input)) return null;
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

/** All the rules of docs/design.md for one plan; throws on the first that is broken. */
export function verifyPlan(input: PlanInput, view: View, plan: Plan, attempt: bigint): void {
  check(plan.chunkIndex === input.chunkIndex, 'chunkIndex');
  check(plan.replaced.length === input.versions.length, 'replaced is the whole list');
  for (const [position, version] of plan.replaced.entries()) {
    check(version === input.versions[position], 'replaced is exactly what was read');
  }
  verifyMerged(input, view, plan);
  checkSpace(input, view, plan);
  verifyKept(input, view, plan);
  verifyReplacement(plan, attempt);
  verifyNames(input, plan, attempt);
  check(
    plan.requiredLength === (view.beyond ? input.length : undefined),
    'requiredLength exactly where bytes beyond go',
  );
}

function verifyMerged(input: PlanInput, view: View, plan: Plan): void {
  const rewritable = priced(input) ? view.blocks : view.candidates;
  const blocks = new Map(rewritable.map((block) => [block.blockIndex, block]));
  const touched = new Set<number>();
  let previousEnd = Number.NEGATIVE_INFINITY;
  for (const version of plan.merged) {
    check(version.offset >= previousEnd, 'merged versions ascend and are disjoint');
    const borders = (version.offset % input.geometry.chunkSize) % input.geometry.blockSize === 0;
    check(
      version.offset > previousEnd || !borders,
      'merged versions are joined where they touch at a border of blocks',
    );
    let at = version.offset;
    for (const object of version.blocks) {
      const block = blocks.get(object.blockIndex);
      check(block !== undefined, 'an object is written only for a block of several objects');
      touched.add(object.blockIndex);
      check(object.begin === at, 'the objects of a merged version follow each other');
      at = object.end;
      verifyReads(object, verifyRun(input, block, object));
    }
    check(at === version.offset + version.len, 'a merged version is as long as its objects');
    previousEnd = at;
  }
  if (limitless(input))
    check(plan.blocksLeft === blocks.size - touched.size, 'blocksLeft counts what was not rewritten');
  if (input.budget === undefined) check(plan.blocksLeft === 0, 'without a budget everything that is worth it goes');
}

/** An object begins and ends with a piece and is worth it; returns what reading it costs. */
function verifyRun(input: PlanInput, block: CandidateBlock, object: { begin: number; end: number }): Cost {
  const from = block.pieces.findIndex(({ begin }) => begin === object.begin);
  const to = block.pieces.findIndex(({ end }) => end === object.end);
  check(from >= 0 && to >= from, 'an object is made of neighbouring pieces of one block');
  checkWorth(input, block, { from, to: to + 1 });
  return costOf(block.pieces.slice(from, to + 1), input.policy.readGapBytes);
}

function verifyReads(block: Plan['merged'][number]['blocks'][number], expected: Cost): void {
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
  const dataCover = new Uint8Array(view.owners.length);
  const keptCover = new Uint8Array(view.owners.length);
  /** Bytes that are read from a merged version from now on. */
  const mergedCover = new Uint8Array(view.owners.length);
  const inChunk = ({ offset, len }: { offset: number; len: number }) =>
    [offset - view.chunkBegin, offset - view.chunkBegin + len] as const;
  for (const version of plan.merged) mergedCover.fill(1, ...inChunk(version));
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
    keptCover.fill(1, ...inChunk(kept));
    if (!kept.zero) dataCover.fill(1, ...inChunk(kept));
  }
  for (const { version, position: at } of placed) {
    for (const extent of blockExtents(version, geometry)) {
      const from = extent.begin - view.chunkBegin;
      const owners = view.owners.subarray(from, from + extent.end - extent.begin);
      const last = from + owners.length - 1;
      check(
        owners.at(-1) === at && mergedCover[last] === 0,
        'a kept part ends, in each of its blocks, with a byte that is read',
      );
      if (version.zero) {
        const hides = owners.some(
          (owner, n) => owner === at && dataCover[from + n] === 1 && mergedCover[from + n] === 0,
        );
        check(hides, 'a zero version stays only where it hides kept bytes');
      }
    }
  }
  for (const version of plan.merged) {
    const meets = keptCover.subarray(...inChunk(version)).includes(1);
    check(version.above === meets, 'a merged version lies above the kept ones exactly where one reaches under it');
    check(
      input.policy.mergedFirst !== true || !version.above,
      'no merged version lies above where the policy forbids it',
    );
  }
}

/** Whether `kept` can be a narrowed part of `version`. */
function holds(version: OracleVersion | undefined, kept: OracleVersion): boolean {
  return (
    version !== undefined &&
    version.chunkId === kept.chunkId &&
    version.compaction === kept.compaction &&
    version.zero === kept.zero &&
    (version === kept || kept.size === Math.max(kept.len, version.size - (kept.offset - version.offset))) &&
    version.offset <= kept.offset &&
    kept.len > 0 &&
    kept.offset + kept.len <= version.offset + version.len
  );
}

function verifyReplacement(plan: Plan, attempt: bigint): void {
  const list = replacementList(plan, attempt);
  check(list.length === plan.merged.length + plan.kept.length, 'the replacement is the merged and the kept versions');
  const named = plan.merged.map((merged, n) => ({ merged, compaction: attempt + BigInt(2 * n) }));
  const below = named.filter(({ merged }) => !merged.above);
  const above = named.filter(({ merged }) => merged.above);
  for (const [n, version] of list.entries()) {
    const fromEnd = n - below.length - plan.kept.length;
    const expected = n < below.length ? below[n] : above[fromEnd];
    if (expected === undefined) {
      check(version === plan.kept[n - below.length], 'kept versions keep their order between the merged ones');
      continue;
    }
    const { merged, compaction } = expected;
    check(version.offset === merged.offset && version.len === merged.len, 'a merged version has its own extent');
    check(version.size === version.len && !version.zero, 'a merged version is data of its own length');
    check(version.chunkId === plan.mergedChunkId, 'merged versions share the lowest chunkId');
    check(
      version.compaction === compaction,
      'the n-th merged version is named attempt + 2n: the built-in compactor takes odd numbers',
    );
  }
  for (const version of plan.replaced) check(plan.mergedChunkId <= version.chunkId, 'no replaced chunkId is lower');
  check(
    plan.replaced.some((version) => version.chunkId === plan.mergedChunkId),
    'mergedChunkId is one of the replaced',
  );
}

function verifyNames(input: PlanInput, plan: Plan, attempt: bigint): void {
  const before = referencedObjects(fileOf(input));
  const after = referencedObjects(fileOf(input, replacementList(plan, attempt)));
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
  const cost = { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 };
  for (const object of plan.merged.flatMap((version) => version.blocks)) {
    const block = view.blocks.find(({ blockIndex }) => blockIndex === object.blockIndex);
    const pieces = block?.pieces.filter(({ begin, end }) => begin >= object.begin && end <= object.end) ?? [];
    const { readRequests, readBytes } = costOf(pieces, input.policy.readGapBytes);
    cost.readRequests += readRequests;
    cost.readBytes += readBytes;
    cost.writeRequests += 1;
    cost.writeBytes += object.end - object.begin;
  }
  for (const [name, value] of Object.entries(cost)) same(`cost.${name}`, plan.cost[name as keyof typeof cost], value);
  const { gain } = plan;
  same('getsBefore', gain.getsBefore, before.gets);
  same('getsAfter', gain.getsAfter, after.gets);
  same('visibleBytes', gain.visibleBytes, visibleBytesOf(input, view));
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
  const named = referencedObjects(file);
  const storedBytes = storedBytesOf(versions, input.geometry);
  const counts = { gets: fullReadGets(file), versions: versions.length, objects: named.size, storedBytes };
  const { chunkIndex, geometry, length } = input;
  const cost = readCost({ chunkIndex, geometry, length, versions });
  for (const [name, value] of Object.entries(counts)) same(name, cost[name as keyof typeof counts], value);
  return counts;
}

function same(name: string, actual: number, expected: number): void {
  if (actual !== expected) fail(`${name} is ${actual}, the oracle counts ${expected}`);
}
