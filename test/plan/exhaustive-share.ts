/**
 * One thread's share of the exhaustive planner test: every stack of up to three versions, zero versions included, over
 * six bytes, with every block size and length. A thread of its own because the millions of cases must fit a minute.
 * It must keep the work per case tiny: versions and original objects are made once, and shared by all stacks.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type PlanInput, planChunk, replacementList } from '../../src/plan/index.ts';
import { content } from '../kit/oracle/content.ts';
import { blockExtents } from '../kit/oracle/layout.ts';
import { oracleName } from '../kit/oracle/names.ts';
import { expectedFile, readFile } from '../kit/oracle/reader.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import { executePlan } from './memory-file.ts';
import { verifyDecision, verifyFigures } from './verify.ts';
import { check, fail, fileOf, KEY, type View, viewOf } from './view.ts';

export interface Share {
  readonly thread: number;
  readonly threads: number;
  /** Versions in a stack at the most. */
  readonly stackMax: number;
}

export interface ShareResult {
  /** Combinations of stack, block size and length; each is planned with both qualifiers. */
  readonly cases: number;
  readonly plans: number;
  readonly rewriting: number;
  /** The first broken rule with its input, as text. */
  readonly failure?: string;
}

export const BYTES = 6;
const BLOCK_SIZES = [1, 2, 3, 6];
/** The most that is tried anywhere. */
const STACK_MAX = 3;
/** One per place in the stack; the top one is lowest, because position decides, not the id. The bytes they give differ. */
export const CHUNK_IDS = [3n, 4n, 2n];
const ATTEMPT = 1n << 40n;
const WHOLE = { blockSize: BYTES, chunkSize: BYTES };
/** One case in this many has its figures counted and the original objects read; `properties.test.ts` always does. */
const EXTRA_EVERY = 31;

/** Below, between and above what the few bytes of a block cost. */
const DIALS = [{ bytesPerGet: 1 }, { bytesPerGet: 3 }, { bytesPerGet: 5 }, { bytesPerGet: 3, mergedFirst: true }];
/** The same with a price of stored bytes, which makes a difference where an object holds some that nobody reads. */
const SPACES = [
  { storagePrice: 1 },
  { storagePrice: 2, bytesPerGet: 3 },
  { storagePrice: 2, bytesPerGet: 3, mergedFirst: true },
];

type Objects = ReadonlyMap<string, Uint8Array>;
type Answer = 'nothing' | 'plan' | 'rewrite';

/** All versions that can stand at one place of a stack; `compaction` tells the extents apart, so names are unique. */
function versionsAt(place: number): OracleVersion[] {
  const out: OracleVersion[] = [];
  const chunkId = CHUNK_IDS[place] ?? 0n;
  for (let begin = 0; begin < BYTES; begin++) {
    for (let end = begin + 1; end <= BYTES; end++) {
      const compaction = BigInt(begin * 10 + end);
      const len = end - begin;
      for (const zero of [false, true]) out.push({ chunkId, compaction, offset: begin, len, size: len, zero });
    }
  }
  return out;
}

function* stacks(stackMax: number): Generator<readonly OracleVersion[]> {
  const places = Array.from({ length: stackMax }, (_, place) => versionsAt(place));
  function* above(place: number, below: readonly OracleVersion[]): Generator<readonly OracleVersion[]> {
    yield below;
    for (const version of places[place] ?? []) yield* above(place + 1, [...below, version]);
  }
  yield* above(0, []);
}

function originals(blockSize: number): Objects {
  const objects = new Map<string, Uint8Array>();
  const geometry = { blockSize, chunkSize: BYTES };
  for (let place = 0; place < STACK_MAX; place++) {
    for (const version of versionsAt(place)) {
      if (version.zero) continue;
      for (const { blockIndex, begin, end } of blockExtents(version, geometry)) {
        objects.set(oracleName(KEY, version, blockIndex), content(version.chunkId, begin, end));
      }
    }
  }
  return objects;
}

/**
 * Everything that must hold for one case; returns whether it gave a plan and whether that rewrites. `expected` is what the
 * file reads as, and depends on the stack and the length only.
 */
function checkCase(input: PlanInput, objects: Objects, expected: Buffer): Answer {
  const view = viewOf(input);
  const answer = checkPlan(input, { view, objects, expected });
  checkSecondQualifier(input, view, answer !== 'nothing');
  for (const space of SPACES)
    checkPlan({ ...input, policy: { ...input.policy, ...space } }, { view, objects, expected });
  // The dial makes a difference only where a block has several objects.
  if (view.candidates.length === 0) return answer;
  for (const dial of DIALS) checkPlan({ ...input, policy: { ...input.policy, ...dial } }, { view, objects, expected });
  return answer;
}

function checkPlan(
  input: PlanInput,
  { view, objects, expected }: { readonly view: View; readonly objects: Objects; readonly expected: Buffer },
): Answer {
  const plan = verifyDecision(input, ATTEMPT, view);
  if (plan === null) return 'nothing';
  const made = executePlan(plan, ATTEMPT, KEY, (name) => objects.get(name));
  const replacement = replacementList(plan, ATTEMPT);
  const after = readFile(fileOf(input, replacement), (name) => made.get(name) ?? objects.get(name));
  if (!after.equals(expected)) fail(`reads ${after.toString('hex')} in place of ${expected.toString('hex')}`);
  const again = planChunk({ ...input, versions: replacement });
  check(again.kind === 'nothing', 'planning the replacement gives nothing');
  return plan.merged.length > 0 ? 'rewrite' : 'plan';
}

function checkExtra(input: PlanInput, objects: Objects, expected: Buffer): void {
  const before = readFile(fileOf(input), (name) => objects.get(name));
  check(before.equals(expected), 'the original objects read as the content rule says');
  const plan = verifyDecision(input, ATTEMPT);
  if (plan !== null) verifyFigures(input, plan, ATTEMPT);
}

/** The threshold decides whether a chunk is looked at, never what is done with it. */
function checkSecondQualifier(input: PlanInput, view: View, planned: boolean): void {
  const decision = planChunk({ ...input, policy: { ...input.policy, fragmentThreshold: 20 } });
  const qualifies = view.beyond || view.seen.size < input.versions.length;
  check((decision.kind === 'plan') === (planned && qualifies), 'with threshold 20 only waste qualifies');
}

function describe(input: PlanInput, thrown: unknown): string {
  const rows = input.versions.map((v) => [Number(v.chunkId), Number(v.compaction), v.offset, v.len, v.zero]);
  const { geometry, length, policy } = input;
  return `${String(thrown)}: ${JSON.stringify({ versions: rows, geometry, length, policy })}`;
}

export function runShare({ thread, threads, stackMax }: Share): ShareResult {
  const sources = new Map(BLOCK_SIZES.map((blockSize) => [blockSize, originals(blockSize)]));
  const count = { nothing: 0, plan: 0, rewrite: 0 };
  let stack = 0;
  let cases = 0;
  for (const versions of stacks(stackMax)) {
    if (stack++ % threads !== thread) continue;
    const policy = { fragmentThreshold: 0, readGapBytes: stack % 3 };
    for (let length = 0; length <= BYTES; length++) {
      const expected = expectedFile({ ...KEY, geometry: WHOLE, length, lists: new Map([[0, versions]]) });
      for (const [blockSize, objects] of sources) {
        const input = { geometry: { blockSize, chunkSize: BYTES }, chunkIndex: 0, versions, length, policy };
        try {
          if (cases++ % EXTRA_EVERY === 0) checkExtra(input, objects, expected);
          count[checkCase(input, objects, expected)] += 1;
        } catch (thrown) {
          return { cases, plans: count.plan, rewriting: count.rewrite, failure: describe(input, thrown) };
        }
      }
    }
  }
  return { cases, plans: count.plan + count.rewrite, rewriting: count.rewrite };
}

if (workerData !== null) parentPort?.postMessage(runShare(workerData as Share));
