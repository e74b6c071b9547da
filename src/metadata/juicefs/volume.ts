/**
 * A JuiceFS volume on Redis, for reading: the adapter behind `SliceVolume`. It sends commands that read and no others, so a
 * user who may do no more suffices. What bytes mean is in decode.ts and setting.ts, the walk in walk.ts.
 */
import { CompactError } from '../../errors.ts';
import { decimalNumber } from '../../format.ts';
import { CHUNK_BYTES, type ReferencesOf, type SliceRecord } from '../../layout/slices/index.ts';
import type { RedisClient } from '../../redis/link.ts';
import { RedisCalls } from '../redis/calls.ts';
import type {
  SliceFile,
  SliceVolume,
  StoreKeys,
  VolumeHealth,
  VolumeSetting,
  Waiting,
  WalkPage,
} from '../slice-volume.ts';
import { fileOf, parseEntry, ROOT_INODE, TRASH_INODE } from './decode.ts';
import { readHealth, readWaiting } from './health.ts';
import { pathsOf } from './paths.ts';
import { AT_ONCE, VolumeReads } from './reads.ts';
import { parseEncryptKey, parseKeys, parseSetting } from './setting.ts';
import { walkVolume } from './walk.ts';

/** Lists that are asked for one by one; of larger files SCAN finds them. */
const INDEXES_ASKED_MAX = 100_000;

export interface JuicefsOptions {
  readonly redis: RedisClient;
  /** Of all keys of the volume: empty, or `{N}` in a cluster. */
  readonly prefix: string;
  readonly timeoutMs: number;
  /** Ends what else uses the client. */
  readonly onClose?: () => void;
}

export class JuicefsVolume implements SliceVolume {
  readonly #redis: RedisClient;
  readonly #onClose: (() => void) | undefined;
  readonly #reads: VolumeReads;

  constructor({ redis, prefix, timeoutMs, onClose }: JuicefsOptions) {
    this.#redis = redis;
    this.#onClose = onClose;
    this.#reads = new VolumeReads(new RedisCalls(redis, timeoutMs), prefix);
  }

  async setting(): Promise<VolumeSetting> {
    return parseSetting(await this.#setting());
  }

  async keys(): Promise<StoreKeys | null> {
    return parseKeys(await this.#setting());
  }

  async encryptKey(): Promise<string | null> {
    return parseEncryptKey(await this.#setting());
  }

  async inode(inodeId: bigint): Promise<{ readonly type: string; readonly file: SliceFile | null } | null> {
    const [attributes = null] = await this.#reads.attributes([inodeId]);
    if (attributes === null) return null;
    if (attributes instanceof CompactError) throw attributes;
    const trashed = attributes.parent === 0n && (await this.#reads.trashed([inodeId])).has(inodeId);
    return { type: attributes.type, file: fileOf(inodeId, attributes, trashed) };
  }

  async find(path: string): Promise<bigint | null> {
    let inodeId = ROOT_INODE;
    for (const name of path.split('/').filter((part) => part !== '')) {
      const isTrash = inodeId === ROOT_INODE && name === '.trash';
      const value = isTrash ? null : await this.#reads.ask(`d${inodeId}`, (redis, key) => redis.hgetBuffer(key, name));
      const entry = value === null ? null : parseEntry(value);
      if (entry === null && !isTrash) return null;
      inodeId = entry?.inodeId ?? TRASH_INODE;
    }
    return inodeId;
  }

  pathsOf(inodeIds: readonly bigint[]): Promise<ReadonlyMap<bigint, string>> {
    return pathsOf(this.#reads, inodeIds);
  }

  async pathOf(inodeId: bigint): Promise<string | null> {
    return (await this.pathsOf([inodeId])).get(inodeId) ?? null;
  }

  async chunkIndexes({ inodeId, length }: SliceFile): Promise<readonly number[]> {
    const chunks = Math.ceil(length / CHUNK_BYTES);
    if (chunks > INDEXES_ASKED_MAX) return this.#scannedIndexes(inodeId, chunks);
    const found: number[] = [];
    for (let from = 0; from < chunks; from += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, chunks - from) }, (_, n) => from + n);
      const answers = await this.#reads.pipelined(some, (batch, n) =>
        batch.exists(this.#reads.key(`c${inodeId}_${n}`)),
      );
      found.push(...some.filter((_, n) => answers[n] === 1));
    }
    return found;
  }

  list(inodeId: bigint, chunkIndex: number): Promise<readonly SliceRecord[]> {
    return this.#reads.list({ inodeId, chunkIndex });
  }

  references(records: readonly SliceRecord[]): Promise<ReferencesOf> {
    return this.#reads.references(records);
  }

  walk(cursor?: string): AsyncIterable<WalkPage> {
    return walkVolume(this.#reads, cursor);
  }

  async waiting(): Promise<Waiting> {
    const { trashDays } = await this.setting();
    return readWaiting(this.#reads, { trashDays, nowMs: Date.now() });
  }

  health(): Promise<VolumeHealth> {
    return readHealth(this.#reads);
  }

  async close(): Promise<void> {
    this.#onClose?.();
    this.#redis.disconnect();
  }

  async #setting(): Promise<string> {
    const value = await this.#reads.get('setting');
    if (value !== null) return value.toString('utf8');
    throw new CompactError(
      'there is no JuiceFS volume at METADATA_URL: its database has no key "setting"; check the database number behind the host',
      { kind: 'halt', code: 'filesystem-missing' },
    );
  }

  async #scannedIndexes(inodeId: bigint, chunks: number): Promise<readonly number[]> {
    const begin = this.#reads.key(`c${inodeId}_`);
    const found = new Set<number>();
    await this.#reads.calls.ready();
    for (const node of this.#reads.calls.primaries()) {
      let cursor = '0';
      do {
        const [next, keys] = await this.#reads.calls.ask(begin, () =>
          node.scan(cursor, 'MATCH', `${begin}*`, 'COUNT', AT_ONCE),
        );
        for (const key of keys) {
          const chunkIndex = decimalNumber(key.slice(begin.length));
          if (chunkIndex !== null && chunkIndex < chunks) found.add(chunkIndex);
        }
        cursor = next;
      } while (cursor !== '0');
    }
    return [...found].toSorted((a, b) => a - b);
  }
}
