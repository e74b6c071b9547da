/**
 * The metadata store on Redis, in the format of docs/format.md. It holds the keys and the commands; the scripts, the checks
 * of what is stored and the meaning of errors are beside it. It must hold no policy, and it must never send a commit
 * twice: give it a client of the profile `metadata`.
 */
import { answerWithin } from '../../clock.ts';
import { CompactError } from '../../errors.ts';
import { printInodeKey, printRecord } from '../../format.ts';
import type { Filesystem, Inode, InodeKey } from '../../model.ts';
import { endLink, type RedisClient } from '../../redis/link.ts';
import { type PrimaryCheck, type ReplicasWanted, serverOf } from '../../redis/primary.ts';
import {
  type BeginOutcome,
  type ChunkSnapshot,
  type CommitOutcome,
  type CommitRequest,
  checkCommitBounds,
  type InodePage,
  type InodePart,
  type MetadataStore,
  type ServerLook,
  type StaleReason,
} from '../port.ts';
import { RedisCalls } from './calls.ts';
import { checkIndex } from './chunk-index.ts';
import { wrongType } from './errors.ts';
import { fieldsOf, parseChunkIndex, parseFilesystem, parseInode, parseRecords } from './fields.ts';
import { RedisLists } from './lists.ts';
import { defineScripts, hashRecords, type MetadataScripts } from './scripts.ts';
import { incomplete, walkInodes } from './walk.ts';

interface RedisMetadataOptions {
  /** Of the profile `metadata`; the store owns it from now on and ends it with `close()`. */
  readonly redis: RedisClient;
  /** First part of every key. */
  readonly keyPrefix?: string;
  /** How long one call may take, waiting for a connection included; default 10 s. */
  readonly timeoutMs?: number;
  /** How many replicas must confirm a write before anything is deleted. */
  readonly replicas?: ReplicasWanted;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** One that hangs must not keep a process that was asked to stop. */
const QUIT_WAIT_MS = 500;
/** Members per SSCAN call: one reply stays below some 10 kB. */
const SCAN_COUNT = 1000;
const STALE_REASONS: ReadonlySet<string> = new Set<StaleReason>(['fence', 'missing', 'unlinked', 'not-s3', 'length']);

/** An answer of a script: a word, then what the word stands for. */
type Answer = readonly [word: string, ...details: readonly unknown[]];

/** MetadataStore on Redis; see the port for the calls and their errors. */
export class RedisMetadata implements MetadataStore {
  readonly commitForm = 'fenced';
  readonly storeId: string;
  readonly #scripts: MetadataScripts;
  readonly #keyPrefix: string;
  readonly #calls: RedisCalls;
  readonly #lists: RedisLists;
  readonly #primary: PrimaryCheck;

  /** Throws `settings-invalid` (halt) for a key prefix with braces: they would move the hash tag. */
  constructor(options: RedisMetadataOptions) {
    const { redis, keyPrefix = 'fs', timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    if (keyPrefix === '' || /[{}]/.test(keyPrefix)) {
      const what = `the metadata key prefix "${keyPrefix}" is empty or has braces; use letters and digits`;
      throw new CompactError(what, { kind: 'halt', code: 'settings-invalid' });
    }
    this.storeId = `redis:${keyPrefix}`;
    this.#scripts = defineScripts(redis);
    this.#keyPrefix = keyPrefix;
    this.#calls = new RedisCalls(redis, timeoutMs);
    this.#lists = new RedisLists(this.#calls, this.#scripts, (key) => this.#inodeKey(key));
    this.#primary = this.#calls.primaryCheck(options.replicas);
  }

  async getFilesystem(fsId: number): Promise<Filesystem | null> {
    const redisKey = this.#filesystemKey(fsId);
    const fields = await this.#calls.fields(redisKey);
    return fields.size === 0 ? null : parseFilesystem(fsId, redisKey, fields);
  }

  async getInode(key: InodeKey): Promise<Inode | null> {
    const redisKey = this.#inodeKey(key);
    const fields = await this.#calls.fields(redisKey);
    return fields.size === 0 ? null : parseInode(key, redisKey, fields);
  }

  inodePages(fsId: number, cursor?: string): AsyncIterable<InodePage> {
    return walkInodes(this.#calls, { keyPrefix: this.#keyPrefix, fsId, cursor });
  }

  readLists(keys: readonly InodeKey[], versionsMax: number): AsyncIterable<InodePart> {
    return this.#lists.read(keys, versionsMax);
  }

  /**
   * Memory: one number per chunk, since SSCAN may give a member twice. Its cursor means nothing to another process, which
   * would miss members in silence: a set of more than one page is read from one life of one server, or the end throws.
   */
  async *chunkIndexes(key: InodeKey): AsyncIterable<number> {
    const redisKey = `${this.#inodeKey(key)}:chunks`;
    const seen = new Set<number>();
    let cursor = '0';
    let server: string | undefined;
    do {
      let [next, members] = await this.#indexPage(redisKey, cursor);
      if (server === undefined && next !== '0') {
        server = await this.#knownServer(key);
        // Only what is read from here on is known to be of this server.
        [next, members] = await this.#indexPage(redisKey, '0');
      }
      if (server !== undefined && next === '0' && server !== (await this.#knownServer(key))) {
        throw incomplete(`the server of inode ${printInodeKey(key)} became another one while its chunks were read`);
      }
      for (const member of members) {
        const chunkIndex = parseChunkIndex(key, redisKey, member);
        if (seen.has(chunkIndex)) continue;
        seen.add(chunkIndex);
        yield chunkIndex;
      }
      cursor = next;
    } while (cursor !== '0');
    const place = { key, inodeKey: this.#inodeKey(key), filesystemKey: this.#filesystemKey(key.fsId) };
    await checkIndex(place, seen, { calls: this.#calls, scripts: this.#scripts });
  }

  /** One script, so the inode and the list are of the same moment. */
  async readChunk(key: InodeKey, chunkIndex: number, versionsMax: number, from = 0): Promise<ChunkSnapshot> {
    const inodeKey = this.#inodeKey(key);
    const listKey = `${inodeKey}:${chunkIndex}`;
    const [, flat, versionsTotal, records] = await this.#run(key, inodeKey, () =>
      this.#scripts.s3compactReadChunk(inodeKey, listKey, versionsMax, from),
    );
    const fields = fieldsOf(flat as readonly string[]);
    return {
      inode: fields.size === 0 ? null : parseInode(key, inodeKey, fields),
      versions: parseRecords(key, { redisKey: listKey, chunkIndex }, records as readonly string[]),
      versionsTotal: versionsTotal as number,
    };
  }

  async incarnation(key: InodeKey): Promise<string> {
    const servers = [await this.#server(key)];
    // On a cluster the chunkIds may be given out by another server than the one that keeps the inode.
    if (this.#calls.isCluster) servers.unshift(await this.#server(key, this.#filesystemKey(key.fsId)));
    return servers.includes('') ? '' : [...new Set(servers)].join(' ');
  }

  async confirmPrimary(looks: readonly ServerLook[]): Promise<void> {
    const servers = new Map<string, Promise<string>>();
    const confirmed = (redisKey: string): Promise<string> => {
      // One server keeps everything; on a cluster each key has its own.
      const place = this.#calls.isCluster ? redisKey : '';
      const asked = servers.get(place) ?? this.#primary.confirm(`${redisKey}:confirm`);
      servers.set(place, asked);
      return asked;
    };
    for (const { key, incarnation } of looks) {
      const now = [await confirmed(this.#filesystemKey(key.fsId)), await confirmed(this.#inodeKey(key))];
      if ([...new Set(now)].join(' ') === incarnation) continue;
      throw new CompactError(
        `the server of inode ${printInodeKey(key)} became another one since its lists were read; nothing was deleted`,
        { kind: 'retry', code: 'metadata-unavailable', inode: key },
      );
    }
  }

  async begin(key: InodeKey, attempt: bigint): Promise<BeginOutcome> {
    const inodeKey = this.#inodeKey(key);
    const [word, reason] = await this.#run(key, inodeKey, () => this.#scripts.s3compactBegin(inodeKey, `${attempt}`));
    return word === 'ok' ? 'begun' : (reason as BeginOutcome);
  }

  async clearFence(key: InodeKey, attempt: bigint): Promise<boolean> {
    const inodeKey = this.#inodeKey(key);
    const [, cleared] = await this.#run(key, inodeKey, () => this.#scripts.s3compactClearFence(inodeKey, `${attempt}`));
    return cleared === 1;
  }

  /** I5, I6: one script; an answer, a definite no (thrown), or `unknown`. See COMMIT for what is checked. */
  async commit(request: CommitRequest): Promise<CommitOutcome> {
    checkCommitBounds(request);
    const { key, chunkIndex, attempt, requiredLength, requiredAbove } = request;
    const inodeKey = this.#inodeKey(key);
    const replaced = request.replaced.map(printRecord);
    const args = [
      `${attempt}`,
      `${requiredLength ?? ''}`,
      `${replaced.length}`,
      hashRecords(replaced),
      `${chunkIndex}`,
      ...(requiredAbove === undefined ? ['', ''] : [`${requiredAbove.position}`, printRecord(requiredAbove.version)]),
    ];
    for (const version of request.replacement.toReversed()) args.push(printRecord(version));
    const keys = [inodeKey, `${inodeKey}:${chunkIndex}`, `${inodeKey}:chunks`] as const;
    const answer = await this.#calls.once(
      inodeKey,
      async () => answerOf(await this.#scripts.s3compactCommit(...keys, args)),
      key,
    );
    if ('outcome' in answer) return answer;
    const [word, reason] = answer;
    if (word === 'ok') return { outcome: 'committed' };
    if (word === 'conflict') return { outcome: 'conflict' };
    if (word === 'stale' && isStaleReason(reason)) return { outcome: 'stale', reason };
    throw refusal(key, inodeKey, answer);
  }

  async close(): Promise<void> {
    // QUIT lets answers arrive that are on their way; a server that is not there must not hold up the end.
    const { redis } = this.#calls;
    if (redis.status === 'ready') await answerWithin(redis.quit(), QUIT_WAIT_MS).catch(() => {});
    endLink(redis);
    this.#primary.close();
  }

  #filesystemKey(fsId: number): string {
    return `${this.#keyPrefix}:{${fsId}}`;
  }

  #inodeKey(key: InodeKey): string {
    return `${this.#keyPrefix}:{${key.fsId}:${key.inodeId}}`;
  }

  #indexPage(redisKey: string, cursor: string): Promise<[cursor: string, members: string[]]> {
    return this.#calls.ask(redisKey, () => this.#calls.redis.sscan(redisKey, cursor, 'COUNT', SCAN_COUNT));
  }

  /** Which life of which server keeps this key; empty where it does not tell. */
  async #server(key: InodeKey, redisKey = this.#inodeKey(key)): Promise<string> {
    const [, ...ids] = await this.#run(key, redisKey, () => this.#scripts.s3compactIncarnation(redisKey));
    const [runId = '', replId = ''] = ids.map(String);
    return serverOf(runId, replId);
  }

  async #knownServer(key: InodeKey): Promise<string> {
    const server = await this.#server(key);
    if (server !== '') return server;
    throw incomplete(
      `the metadata Redis tells no run_id and master_replid in INFO, which it takes to read the chunks of inode ${printInodeKey(key)} in parts; let INFO through`,
    );
  }

  /** A script that may simply be called again; throws for answers that are not about the state of the inode. */
  async #run(key: InodeKey, inodeKey: string, send: () => Promise<unknown>): Promise<Answer> {
    const answer = answerOf(await this.#calls.ask(inodeKey, send));
    if (answer[0] === 'ok' || answer[0] === 'stale') return answer;
    throw refusal(key, inodeKey, answer);
  }
}

function answerOf(reply: unknown): Answer {
  const [word, ...details]: readonly unknown[] = Array.isArray(reply) ? reply : [];
  if (typeof word === 'string') return [word, ...details];
  throw new TypeError('the answer of a metadata script is not a list that starts with a word');
}

function isStaleReason(word: unknown): word is StaleReason {
  return typeof word === 'string' && STALE_REASONS.has(word);
}

/** An answer of a script that only a person can do something about; nothing was written. */
function refusal(key: InodeKey, inodeKey: string, answer: Answer): CompactError {
  const [word, ...details] = answer;
  if (word === 'wrong-type') {
    const [redisKey, found, expected] = details.map(String);
    return wrongType(redisKey ?? inodeKey, found, expected).withInode(key);
  }
  const [field, value] = details.map(String);
  return new CompactError(
    `the field ${field} of inode ${printInodeKey(key)} (hash ${inodeKey}) is ${JSON.stringify(value)}, which the format does not allow; nothing was changed`,
    { kind: 'halt', code: 'inode-malformed', inode: key },
  );
}
