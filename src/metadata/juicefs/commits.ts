/**
 * What compaction changes in a JuiceFS volume on Redis: the adapter behind `SliceCommits`. It counts references and sends
 * scripts; those compare and write (scripts.ts). It must never send a commit twice: give it a client of the profile
 * `metadata`. It holds no policy, and reads no list.
 */
import { createHash } from 'node:crypto';
import { CompactError } from '../../errors.ts';
import type { SliceRecord } from '../../layout/slices/index.ts';
import type { RedisClient } from '../../redis/link.ts';
import { type PrimaryCheck, type ReplicasWanted, serverOfKey } from '../../redis/primary.ts';
import type { CommitOutcome } from '../port.ts';
import { RedisCalls } from '../redis/calls.ts';
import { wrongType } from '../redis/errors.ts';
import {
  COMMIT_RECORDS_MAX,
  type FenceState,
  isOwnId,
  type OwnIds,
  type RetiredSlice,
  SLICE_IDS_MAX,
  type SliceCommitRequest,
  type SliceCommits,
  type SliceFence,
  type TakenIds,
} from '../slice-commits.ts';
import {
  malformed,
  parseDelayed,
  parseSliceNames,
  printSlice,
  printSliceNames,
  referenceField,
  type SliceName,
  VOLUME_FS_ID,
} from './decode.ts';
import { defineVolumeScripts, type RunScript, type ScriptName } from './scripts.ts';

/** Ids are asked for so many at a time: what is left of a batch is lost when it is too small for the next attempt. */
const IDS_AT_ONCE = 16_384;
/**
 * A server that loses its last writes gives ids out again, and clients write objects without a condition. Ids are used
 * only so long after they were taken: by then a server that did not keep them has been replaced.
 */
const IDS_AGE_MS = 60_000;
/**
 * What a server has lost, clients remember: they hold 4,096 ids each, for days. So each new life of it begins at least so many
 * ids further on (a thousand lost batches of ours, four thousand of clients), and the old batch is not used any more.
 */
const LIFE_LEAP = 2 ** 24;
/** Beyond it a raised counter could not count on (2^53). */
const RAISED_MAX = 2n ** 52n;
/** A life may lose its leap, too: the next one leaps to another of so many places. */
const LIFE_LEAPS = 1_024;

interface CommitsOptions {
  /** Of the profile `metadata`; whoever made it ends it. */
  readonly redis: RedisClient;
  readonly prefix: string;
  readonly timeoutMs: number;
  /** How many replicas must confirm a write before anything is deleted. */
  readonly replicas?: ReplicasWanted;
  /** For tests. */
  readonly idsAgeMs?: number;
}

type Answer = readonly [word: string, ...details: readonly Buffer[]];

export class JuicefsCommits implements SliceCommits {
  readonly storeId: string;
  readonly #options: CommitsOptions;
  readonly #calls: RedisCalls;
  readonly #run: RunScript;
  readonly #primary: PrimaryCheck;

  constructor(options: CommitsOptions) {
    const { redis, prefix, timeoutMs } = options;
    this.storeId = `juicefs:${prefix}`;
    this.#options = options;
    this.#calls = new RedisCalls(redis, timeoutMs);
    this.#run = defineVolumeScripts(redis);
    this.#primary = this.#calls.primaryCheck(options.replicas);
  }

  async incarnation(): Promise<string> {
    await this.#calls.ready();
    const life = await serverOfKey(this.#options.redis, this.#own);
    if (life !== '') return life;
    throw new CompactError(
      'the metadata server does not say which life it is (INFO is not allowed, or its answer lacks run_id or master_replid), so nobody knows whether it has lost writes; let INFO through',
      { kind: 'retry', code: 'metadata-unavailable' },
    );
  }

  confirmPrimary(): Promise<string> {
    return this.#primary.confirm(`${this.#own}:confirm`);
  }

  async takeIds(count: number, highestKnown: bigint): Promise<TakenIds> {
    if (count > SLICE_IDS_MAX) throw beyond(`at most ${SLICE_IDS_MAX} slice ids are taken at a time, not ${count}`);
    const { idsAgeMs = IDS_AGE_MS } = this.#options;
    const life = await this.incarnation();
    const counter = this.#key('nextchunk');
    const keys = [counter, this.#own];
    const [word, ...details] = await this.#ask('s3compactTakeIds', keys, [
      `${count}`,
      `${IDS_AT_ONCE}`,
      `${idsAgeMs}`,
      `${highestKnown}`,
      life,
      `${leapOf(life)}`,
    ]);
    const [first = '0', now = '0'] = details.map(String);
    if (word === 'wait') return { first: null, waitMs: Number(first) };
    if (word === 'ok') return { first: BigInt(first), nowMs: Number(now) };
    const message = `the volume's counter of slice ids, ${counter}, is ${now}, ${counterAdvice(counter, now, highestKnown)}; nothing was changed`;
    throw new CompactError(message, { kind: 'halt', code: 'filesystem-malformed' });
  }

  async begin(fence: SliceFence): Promise<'begun' | 'taken' | 'late'> {
    const args = [`${fence.attempt}`, fenceText(fence), `${fence.deadlineMs}`];
    const [word, why] = await this.#ask('s3compactBeginSlices', [this.#own], args);
    if (word === 'ok') return 'begun';
    return String(why) === 'taken' ? 'taken' : 'late';
  }

  /** I5, I6: one script; an answer, a definite no (thrown), or `unknown`. */
  async commit(request: SliceCommitRequest): Promise<CommitOutcome> {
    const { replaced, fence } = request;
    checkBounds(request);
    const known = replaced.find(({ id }) => isOwnId(request.ids, id));
    if (known !== undefined) throw refusal(request, 'doubt', [referenceField(known), 'exists']);
    const list = this.#key(`c${fence.inodeId}_${fence.chunkIndex}`);
    const keys = [list, this.#key('sliceRef'), this.#key('delSlices'), this.#own];
    const args = [...keys, ...commitArguments(request)];
    const answer = await this.#calls.once(list, async () => answerOf(await this.#run('s3compactCommitSlices', args)));
    if ('outcome' in answer) return answer;
    const [word, ...details] = answer;
    if (word === 'ok') return { outcome: 'committed' };
    if (word === 'conflict') return { outcome: 'conflict' };
    if (word === 'stale') return { outcome: 'stale', reason: 'fence' };
    throw refusal(request, word, details.map(String));
  }

  async clear(attempt: bigint, anew = false): Promise<FenceState> {
    const [, fence] = await this.#ask('s3compactClearSlices', [this.#own], [`${attempt}`, anew ? 'anew' : '']);
    return stateOf(fence);
  }

  async release(attempt: bigint): Promise<FenceState | 'early'> {
    const own = this.#own;
    const fence = await this.#calls.ask(own, () => this.#options.redis.hgetBuffer(own, `${attempt}`));
    if (fence === null || !isCommitted(fence)) return stateOf(fence ?? undefined);
    const field = fence.toString().slice(COMMITTED.length);
    const delayed = this.#key('delSlices');
    const value = await this.#calls.ask(delayed, () => this.#options.redis.hgetBuffer(delayed, field));
    // Nothing was let go, or a client's hourly job has been here.
    if (value === null) return { state: 'absent' };
    const waiting = parseDelayed(field, value);
    if (waiting === null || waiting.slices.length === 0) throw strange(attempt, `the delayed delete ${field} is none`);
    const args = [`${attempt}`, fence, field, value, `${waiting.sinceMs / 1000}`];
    const [word, answer] = await this.#ask(
      's3compactReleaseSlices',
      [this.#key('sliceRef'), delayed, own],
      [...args, ...waiting.slices.map(referenceField)],
    );
    if (word === 'ok') return stateOf(answer);
    const why = String(answer);
    if (why === 'early') return 'early';
    throw strange(attempt, `the references of the delayed delete ${field} changed while they were taken (${why})`);
  }

  async forget(attempt: bigint, gone: readonly RetiredSlice[] = []): Promise<void> {
    const keys = [this.#key('sliceRef'), this.#own];
    await this.#ask('s3compactForgetSlices', keys, [`${attempt}`, ...gone.map(referenceField)]);
  }

  async tryRights(): Promise<void> {
    await this.incarnation();
    const keys = ['c0_0', 'sliceRef', 'delSlices', '~s3compact', 'nextchunk'].map((name) => this.#key(name));
    await this.#ask('s3compactTrySlices', keys, []);
    await this.#primary.tryRights(`${this.#own}:confirm`);
  }

  close(): void {
    this.#primary.close();
  }

  /** No tool of JuiceFS looks at a key that begins so. */
  get #own(): string {
    return this.#key('~s3compact');
  }

  #key(name: string): string {
    return `${this.#options.prefix}${name}`;
  }

  /** A script that may simply be run again. */
  async #ask(name: ScriptName, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<Answer> {
    const answer = answerOf(await this.#calls.ask(keys[0] ?? '', () => this.#run(name, [...keys, ...args])));
    if (answer[0] === 'wrong-type') throw typeRefused(answer.slice(1).map(String));
    return answer;
  }
}

const COMMITTED = 'committed ';
const DELETING = 'deleting ';

function isCommitted(fence: Buffer): boolean {
  return fence.subarray(0, COMMITTED.length).toString() === COMMITTED;
}

function fenceText({ inodeId, chunkIndex, deadlineMs }: SliceFence): string {
  return `open ${inodeId}_${chunkIndex} ${deadlineMs}`;
}

function stateOf(fence: Buffer | undefined): FenceState {
  if (fence === undefined || fence.toString() === 'absent') return { state: 'absent' };
  if (fence.toString() === 'cleared') return { state: 'cleared' };
  if (isCommitted(fence)) return { state: 'committed' };
  if (fence.subarray(0, DELETING.length).toString() === DELETING)
    return { state: 'deleting', slices: parseSliceNames(fence.subarray(DELETING.length)) };
  throw strange(null, `a fence of the volume's hash ~s3compact is ${JSON.stringify(fence.toString())}`);
}

function leapOf(life: string): number {
  return LIFE_LEAP * (1 + (createHash('sha256').update(life).digest().readUInt16BE(0) % LIFE_LEAPS));
}

/** Clients write on with ids whose batch the server has lost at a failover, so a list may name what the counter will give again. */
function counterAdvice(key: string, now: string, highestKnown: bigint): string {
  if (!/^\d+$/.test(now))
    return 'so no ids can be taken from it: restore the metadata, or set it above all slices that lists name';
  if (BigInt(now) >= highestKnown) return 'so all ids of this volume are given out; it cannot be compacted any more';
  if (highestKnown > RAISED_MAX)
    return `and a list names slice ${highestKnown}, which no client can have been given: look at the inode with fsck, and leave the counter as it is`;
  const raise = `INCRBY ${key} ${highestKnown - BigInt(now) + BigInt(LIFE_LEAP)}`;
  return `and a list names slice ${highestKnown}: the server lost writes, or older metadata was restored, and clients may get ids again and overwrite data. Raise it at once, clients may go on meanwhile: ${raise}; then look with fsck and release the inode`;
}

/** Throws `metadata-refused` (halt) for what no commit takes (I8); no plan asks for it. */
function checkBounds({ fence, replaced, replacement }: SliceCommitRequest): void {
  const place = { fsId: VOLUME_FS_ID, inodeId: fence.inodeId };
  const where = `chunk ${fence.chunkIndex}: `;
  if (replaced.length < 1 || Math.max(replaced.length, replacement.length) > COMMIT_RECORDS_MAX) {
    const numbers = `not ${replaced.length} by ${replacement.length}`;
    const what = `a commit replaces 1 to ${COMMIT_RECORDS_MAX} records by at most as many, ${numbers}`;
    throw beyond(`${where}${what}`).withInode(place);
  }
  // Clients crash while they compact some lists whose leading records overlap others, or come twice.
  if (isDisjoint(replacement)) return;
  throw beyond(`${where}the records of a replacement overlap, or are not in order`).withInode(place);
}

function beyond(what: string): CompactError {
  const message = `${what}; nothing was changed. This is a fault in s3compact: report it, with what "s3compact inspect" shows of the inode`;
  return new CompactError(message, { kind: 'halt', code: 'metadata-refused' });
}

function isDisjoint(records: readonly SliceRecord[]): boolean {
  let end = 0;
  for (const { offset, len } of records) {
    if (offset < end || len < 1) return false;
    end = offset + len;
  }
  return true;
}

/** The records by the slice that they name, where that is not this attempt's own. */
function bySlice(records: readonly SliceRecord[], ids: OwnIds): ReadonlyMap<string, readonly SliceName[]> {
  const others = records.filter(({ id }) => id !== 0n && !isOwnId(ids, id));
  return Map.groupBy(others, referenceField);
}

/** As the script takes them. */
function commitArguments(request: SliceCommitRequest): (string | Buffer)[] {
  const { fence, replaced, replacement, ids, delayMs } = request;
  const after = bySlice(replacement, ids);
  const slices: string[] = [];
  const lost: SliceName[] = [];
  const before = bySlice(replaced, ids);
  for (const [field, named] of before) {
    const left = after.get(field)?.length ?? 0;
    slices.push(field, `${named.length}`, `${left - named.length}`);
    lost.push(...named.slice(left));
  }
  const fresh = replacement.filter(({ id }) => isOwnId(ids, id)).map(referenceField);
  return [
    `${fence.attempt}`,
    fenceText(fence),
    `${fence.deadlineMs}`,
    `${replaced.length}`,
    Buffer.concat(replaced.map(printSlice)),
    `${ids.first}`,
    `${delayMs}`,
    lost.length === 0 ? '' : printSliceNames(lost),
    `${before.size}`,
    ...slices,
    `${fresh.length}`,
    ...fresh,
    ...replacement.toReversed().map(printSlice),
  ];
}

function answerOf(reply: unknown): Answer {
  const [word, ...details]: readonly unknown[] = Array.isArray(reply) ? reply : [];
  if (Buffer.isBuffer(word)) return [word.toString(), ...(details as readonly Buffer[])];
  throw new TypeError('the answer of a script of the volume is not a list that starts with a word');
}

function typeRefused([key = '', found, expected]: readonly string[]): CompactError {
  const { message } = wrongType(key, found, expected);
  return new CompactError(message, { kind: 'halt', code: 'filesystem-malformed' });
}

function refusal({ fence, replaced }: SliceCommitRequest, word: string, details: readonly string[]): CompactError {
  const { inodeId, chunkIndex } = fence;
  if (word === 'wrong-type') return typeRefused(details);
  const [field = '', value, records] = details;
  const position = replaced.findIndex((record) => referenceField(record) === field);
  const what =
    value === 'exists'
      ? `${field} is in use already, although no client can have this id`
      : `the references of its slice (${field} in sliceRef) are ${value}, but ${records} records of this list name it`;
  const where = `inode ${inodeId}, chunk ${chunkIndex}${position < 0 ? '' : `, record ${position}`}`;
  return malformed(inodeId, `${where}: ${what}; nothing was changed`, 'record-malformed');
}

function strange(attempt: bigint | null, what: string): CompactError {
  const whose = attempt === null ? '' : ` of attempt ${attempt}`;
  return new CompactError(`${what}${whose}; nothing is deleted`, { kind: 'retry', code: 'metadata-unavailable' });
}
