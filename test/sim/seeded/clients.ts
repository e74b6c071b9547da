/**
 * The clients of a seeded world: writers that put objects and then append a version, as docs/format.md has it, and readers
 * that go on with old lists. No fault strikes their calls: what they do wrong is in the script. They know nothing of
 * compaction.
 */
import type { S3ChunkInfo } from '../../../src/model.ts';
import type { Judge, Reading } from './judge.ts';
import { SimProcess } from './scheduler.ts';
import type { WriteAct } from './script.ts';
import { BUCKET, type SimFile, type Stage } from './stage.ts';

/** Ids that a writer tries until none of its names exists. */
const IDS_MAX = 50;

export class Clients {
  /** How long a reader goes on with lists that it has, at most. */
  readonly #readerCacheLifeMs: number;
  readonly #stage: Stage;
  readonly #judge: Judge;
  /** Ids can come back when metadata is lost: a client must then put before it appends. */
  readonly #idsComeBack: boolean;
  /** How long a client may hold something back, less than a quiet period; 0: it never does. */
  readonly #holdMaxMs: number;
  /** How long a slow writer takes from its first object to its append, at most. */
  readonly #slowMaxMs: number;
  #count = 0;

  constructor(
    stage: Stage,
    judge: Judge,
    options: {
      readonly readerCacheLifeMs: number;
      readonly idsComeBack: boolean;
      readonly holdMaxMs?: number;
      readonly slowMaxMs: number;
    },
  ) {
    this.#stage = stage;
    this.#judge = judge;
    this.#readerCacheLifeMs = options.readerCacheLifeMs;
    this.#idsComeBack = options.idsComeBack;
    this.#holdMaxMs = options.holdMaxMs ?? 0;
    this.#slowMaxMs = options.slowMaxMs;
  }

  /** At once and without a step in between. */
  writeNow(file: SimFile, act: WriteAct): void {
    const version = this.#version(act);
    for (const { name, bytes } of this.#stage.objectsOf(file, version)) this.#stage.stores.write(BUCKET, name, bytes);
    this.#stage.append(file, version);
  }

  async write(file: SimFile, act: WriteAct): Promise<void> {
    const client = this.#process('writer');
    const mtimeMs = this.#stage.scheduler.nowMs + this.#stage.clientsOffMs;
    if (act.upload === 'late' && !this.#idsComeBack) return this.#writeBack(client, file, act);
    for (let n = 0; n < IDS_MAX; n++) {
      const version = await client.cross('client.id', () => this.#version(act));
      const put = await this.#putAll(client, file, version);
      if (act.upload === 'dies') return this.#judge.lost(put.names, 'its writer died');
      if (put.taken) {
        this.#judge.lost(put.names, 'its writer took another id');
        continue;
      }
      if (act.upload === 'slow') await client.clock.sleep(this.#stage.scheduler.random.below(this.#slowMaxMs));
      if (this.#holds(4)) await this.#hold(client);
      const entryFirst = this.#holds(5);
      await client.cross('client.append', () => {
        if (this.#stage.stateOf(file) === null) this.#judge.lost(put.names, 'its file was removed');
        else if (entryFirst) this.#stage.appendEntry(file, version);
        else this.#stage.append(file, version, mtimeMs);
      });
      return this.#afterwards(client, { file, version, mtimeMs, entryFirst });
    }
    throw new Error('a writer found no free id');
  }

  /** What a CurveFS client may do later: tell the length, and send the append again because it has heard no answer. */
  async #afterwards(
    client: SimProcess,
    done: {
      readonly file: SimFile;
      readonly version: S3ChunkInfo;
      readonly mtimeMs: number;
      readonly entryFirst: boolean;
    },
  ): Promise<void> {
    const { file, version, mtimeMs } = done;
    const length = version.offset + version.len;
    if (done.entryFirst) {
      await this.#hold(client);
      await client.cross('client.lengthen', () => this.#stage.lengthen(file, length, mtimeMs));
    }
    if (!this.#holds(6)) return;
    await this.#hold(client);
    await client.cross('client.again', () => this.#stage.appendAgain(file, version, mtimeMs));
  }

  /** Once in so many times, where clients hold things back at all. */
  #holds(onceIn: number): boolean {
    return this.#holdMaxMs > 0 && this.#stage.scheduler.random.below(onceIn) === 0;
  }

  #hold(client: SimProcess): Promise<void> {
    return client.clock.sleep(this.#stage.scheduler.random.below(this.#holdMaxMs));
  }

  async #putAll(client: SimProcess, file: SimFile, version: S3ChunkInfo) {
    const names: string[] = [];
    for (const { name, bytes } of this.#stage.objectsOf(file, version)) {
      const taken = await client.cross('client.put', () => {
        if (this.#stage.stores.bucket(BUCKET).has(name)) return true;
        this.#stage.stores.write(BUCKET, name, bytes);
        return false;
      });
      if (taken) return { names, taken };
      names.push(name);
    }
    return { names, taken: false };
  }

  /** The version first, its objects later: readers and compactors find them missing until then. */
  async #writeBack(client: SimProcess, file: SimFile, act: WriteAct): Promise<void> {
    const version = await client.cross('client.id', () => this.#version(act));
    const objects = this.#stage.objectsOf(file, version);
    await client.cross('client.append', () => {
      if (this.#stage.stateOf(file) === null) return;
      for (const { name, bytes } of objects) this.#stage.uploads.set(name, bytes);
      this.#stage.append(file, version);
    });
    for (const { name } of objects) {
      await client.clock.sleep(this.#stage.scheduler.random.below(60_000));
      await client.cross('client.put', () => {
        const bytes = this.#stage.uploads.get(name);
        this.#stage.uploads.delete(name);
        // Removed meanwhile, with all its objects.
        if (bytes === undefined || file.removed) return;
        this.#stage.stores.write(BUCKET, name, bytes);
        this.#judge.put(name);
      });
    }
  }

  /** Reads, holds the lists, and reads by them again: the same bytes must be there (I7). */
  async read(file: SimFile, hold: number): Promise<void> {
    const state = this.#stage.stateOf(file);
    if (state === null) return;
    const bytes = this.#judge.read(file, state, 'I1');
    if (bytes === null) return;
    const reading: Reading = { file, state, bytes };
    this.#judge.readings.add(reading);
    await this.#process('reader').clock.sleep(hold * this.#readerCacheLifeMs);
    this.#judge.readings.delete(reading);
    // Its objects go with the inode, by its owner's hand.
    if (file.removed) return;
    const again = this.#judge.read(file, state, 'I7, a reader with old lists');
    if (again !== null && !again.equals(bytes)) this.#judge.fail('I1: a reader with old lists reads other bytes');
  }

  #process(name: string): SimProcess {
    return new SimProcess(`${name}-${this.#count++}`, this.#stage.scheduler, { tested: false, rate: 1 });
  }

  #version({ offset, len, zero }: WriteAct): S3ChunkInfo {
    return { chunkId: this.#stage.takeChunkId(), compaction: 0n, offset, len, size: len, zero };
  }
}
