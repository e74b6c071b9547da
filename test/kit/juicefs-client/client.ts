/**
 * The model of a JuiceFS client: what programs do to files, as it comes to lists, references and counters. Every operation is
 * one transaction on the inodes that it changes, and none watches a list: compaction by anybody never makes a write fail.
 */
import { encodeAttributes, encodeDelayed, encodeEntry, encodeSlice, type RawSlice } from '../juicefs/encode.ts';
import { CHUNK, type ModelVolume, overlay, pushed, raise, sliceField, TRASH } from './volume.ts';

const READ_TRIES = 10;

export function spaceOf(length: number): number {
  return Math.max(1, Math.ceil(length / 4096)) * 4096;
}

export class ModelClient {
  readonly volume: ModelVolume;

  constructor(volume: ModelVolume) {
    this.volume = volume;
  }

  async create(name: string): Promise<number> {
    const { volume } = this;
    const inode = await this.#newInode();
    await volume.transaction([volume.key('i1'), volume.key('d1')], async (queued) => {
      queued.set(volume.key(`i${inode}`), encodeAttributes({ length: 0, mtimeSeconds: volume.now() }));
      queued.hset(volume.key('d1'), name, encodeEntry('file', inode));
      this.#count(queued, spaceOf(0), 1);
    });
    return inode;
  }

  async #newInode(): Promise<number> {
    for (;;) {
      const inode = await this.volume.redis.incr(this.volume.key('nextinode'));
      if (inode > 1) return inode;
    }
  }

  #count(queued: { incrby(key: string, by: number): unknown }, space: number, inodes = 0): void {
    if (space !== 0) queued.incrby(this.volume.key('usedSpace'), space);
    if (inodes !== 0) queued.incrby(this.volume.key('totalInodes'), inodes);
  }

  /** Bytes of one slice, within one chunk: uploaded first, then named. */
  async write(inode: number, offset: number, content: Uint8Array): Promise<void> {
    const { volume } = this;
    const id = await volume.newId();
    await volume.putSlice(id, content);
    const record = { pos: offset % CHUNK, id, size: content.length, off: 0, len: content.length };
    await this.#changed([inode], async (queued, [file]) => {
      if (file === undefined) return null;
      pushed(queued, volume.key(`c${inode}_${Math.floor(offset / CHUNK)}`), [record]);
      return this.#setLength(queued, file, Math.max(file.length, offset + content.length));
    });
  }

  async truncate(inode: number, length: number): Promise<void> {
    const { volume } = this;
    await this.#changed([inode], async (queued, [file]) => {
      if (file === undefined || file.length === length) return null;
      const [begin, end] = [Math.min(length, file.length), Math.max(length, file.length)];
      for (const { chunk, record } of zeros(begin, end)) {
        const key = volume.key(`c${inode}_${chunk}`);
        // A chunk between the first and the last gets zeros only where it has a list.
        if (record.pos === 0 && record.len === CHUNK && chunk !== Math.floor(begin / CHUNK))
          queued.rpushx(key, encodeSlice(record));
        else pushed(queued, key, [record]);
      }
      return this.#setLength(queued, file, length);
    });
  }

  async punch(inode: number, offset: number, bytes: number): Promise<void> {
    const { volume } = this;
    await this.#changed([inode], async (queued, [file]) => {
      if (file === undefined) return null;
      for (const { chunk, record } of zeros(offset, Math.min(file.length, offset + bytes)))
        pushed(queued, volume.key(`c${inode}_${chunk}`), [record]);
      return this.#setLength(queued, file, file.length);
    });
  }

  /** Copies by naming the same slices again; bytes copied. */
  async copyRange(from: number, fromOffset: number, to: number, toOffset: number, bytes: number): Promise<number> {
    const { volume } = this;
    let copied = 0;
    await this.#changed(from === to ? [to] : [to, from], async (queued, [target, source = target]) => {
      if (target === undefined || source === undefined || fromOffset >= source.length) return null;
      copied = Math.min(bytes, source.length - fromOffset);
      for (let chunk = Math.floor(fromOffset / CHUNK); chunk <= Math.floor((fromOffset + copied) / CHUNK); chunk++) {
        // Holes are copied as zeros.
        const whole = { pos: 0, id: 0, size: 0, off: 0, len: CHUNK };
        for (const piece of overlay([whole, ...(await volume.list(from, chunk))])) {
          const begin = Math.max(fromOffset, chunk * CHUNK + piece.pos);
          const end = Math.min(fromOffset + copied, chunk * CHUNK + piece.pos + piece.len);
          const off = piece.off + begin - (chunk * CHUNK + piece.pos);
          for (const part of parts(begin - fromOffset + toOffset, end - fromOffset + toOffset)) {
            const record = { ...piece, pos: part.pos, off: piece.id === 0 ? 0 : off + part.skipped, len: part.len };
            pushed(queued, volume.key(`c${to}_${part.chunk}`), [record]);
            if (piece.id > 0) queued.hincrby(volume.key('sliceRef'), sliceField(piece), 1);
          }
        }
      }
      return this.#setLength(queued, target, Math.max(target.length, toOffset + copied));
    });
    return copied;
  }

  /** Another file with the same lists, record by record. */
  async clone(from: number, name: string): Promise<number> {
    const { volume } = this;
    const inode = await this.#newInode();
    await this.#changed([from], async (queued, [source]) => {
      if (source === undefined) return null;
      queued.set(volume.key(`i${inode}`), source.value);
      queued.hset(volume.key('d1'), name, encodeEntry('file', inode));
      this.#count(queued, spaceOf(source.length), 1);
      for (let chunk = 0; source.length > 0 && chunk <= Math.floor(source.length / CHUNK); chunk++) {
        const records = await volume.list(from, chunk);
        pushed(queued, volume.key(`c${inode}_${chunk}`), records);
        for (const record of records) if (record.id > 0) queued.hincrby(volume.key('sliceRef'), sliceField(record), 1);
      }
      return;
    });
    return inode;
  }

  /** To the trash where there is one; else its data goes at once, or is left to the hourly job. */
  async unlink(name: string, { later = false }: { readonly later?: boolean } = {}): Promise<void> {
    const { volume } = this;
    const entry = (await volume.redis.hgetBuffer(volume.key('d1'), name)) ?? raise(new Error(`no file ${name}`));
    const inode = Number(entry.readBigUInt64BE(1));
    if (volume.options.trashDays > 0) return this.#toTrash(name, inode, entry);
    const member = await this.deleted({ directory: 1n, name, inode });
    if (!later) await this.deleteData(member);
  }

  async #toTrash(name: string, inode: number, entry: Buffer): Promise<void> {
    const { volume } = this;
    const hour = new Date(volume.now() * 1000).toISOString().slice(0, 13).replace('T', '-');
    const known = await volume.redis.hgetBuffer(volume.key(`d${TRASH}`), hour);
    let directory = known?.readBigUInt64BE(1);
    if (directory === undefined) {
      const made = TRASH + BigInt(await volume.redis.incr(volume.key('nextTrash')));
      directory = made;
      await volume.transaction([volume.key(`d${TRASH}`)], async (queued) => {
        queued.set(
          volume.key(`i${made}`),
          encodeAttributes({ kind: 'directory', nlink: 2, length: 4096, parent: TRASH }),
        );
        queued.hset(volume.key(`d${TRASH}`), hour, encodeEntry('directory', made));
        this.#count(queued, spaceOf(0), 1);
      });
    }
    const trash = directory;
    await this.#changed([inode], async (queued, [file]) => {
      if (file === undefined) return null;
      file.value.writeBigUInt64BE(trash, 63);
      queued.set(volume.key(`i${inode}`), file.value);
      queued.hdel(volume.key('d1'), name);
      queued.hset(volume.key(`d${trash}`), `1-${inode}-${name}`, entry);
      return;
    });
  }

  /** Takes away a file's name and inode; its lists remain, and the member by which they are found is the answer. */
  async deleted(at: { readonly directory: bigint; readonly name: string; readonly inode: number }): Promise<string> {
    const { volume } = this;
    let member = '';
    await this.#changed([at.inode], async (queued, [file]) => {
      if (file === undefined) return null;
      queued.hdel(volume.key(`d${at.directory}`), at.name);
      member = `${at.inode}:${file.length}`;
      queued.zadd(volume.key('delfiles'), volume.now(), member);
      queued.del(volume.key(`i${at.inode}`));
      this.#count(queued, -spaceOf(file.length), -1);
      return;
    });
    return member;
  }

  async deletedFiles(until: number): Promise<string[]> {
    return this.volume.redis.zrangebyscore(this.volume.key('delfiles'), '-inf', until);
  }

  /** The lists of a deleted file up to its length, and each slice that nothing names any more. */
  async deleteData(member: string): Promise<void> {
    const { volume } = this;
    const [inode = 0, length = 0] = member.split(':').map(Number);
    for (let chunk = 0; chunk * CHUNK < length; chunk++) {
      const key = volume.key(`c${inode}_${chunk}`);
      let named: RawSlice[] = [];
      const answers = await volume.transaction([key], async (queued) => {
        named = (await volume.list(inode, chunk)).filter(({ id }) => id > 0);
        queued.del(key);
        for (const slice of named) queued.hincrby(volume.key('sliceRef'), sliceField(slice), -1);
      });
      for (const [n, slice] of named.entries()) if (Number(answers?.[n + 1]) < 0) await volume.deleteSlice(slice);
    }
    await volume.redis.zrem(volume.key('delfiles'), member);
  }

  /** The whole file, by a list that may be replaced meanwhile: then again. */
  async read(inode: number | bigint): Promise<Buffer> {
    const { volume } = this;
    const value = (await volume.redis.getBuffer(volume.key(`i${inode}`))) ?? raise(new Error(`no inode ${inode}`));
    const content = Buffer.alloc(Number(value.readBigUInt64BE(51)));
    for (let chunk = 0; chunk * CHUNK < content.length; chunk++) {
      let done = false;
      for (let tries = 0; !done && tries < READ_TRIES; tries++) done = await this.#readChunk(inode, chunk, content);
      if (!done) throw new Error(`inode ${inode}, chunk ${chunk} cannot be read: an object is missing`);
    }
    return content;
  }

  async #readChunk(inode: number | bigint, chunk: number, content: Buffer): Promise<boolean> {
    for (const piece of overlay(await this.volume.list(inode, chunk))) {
      // Where a list shows only zeros a client's compaction leaves one byte, perhaps behind the end.
      if (piece.id === 0 || chunk * CHUNK + piece.pos >= content.length) continue;
      const bytes = await this.volume.sliceBytes(piece);
      if (bytes === null) return false;
      content.set(
        bytes.subarray(0, Math.max(0, content.length - chunk * CHUNK - piece.pos)),
        chunk * CHUNK + piece.pos,
      );
    }
    return true;
  }

  async #changed(
    inodes: readonly number[],
    write: (queued: Queued, files: readonly OpenFile[]) => Promise<unknown>,
  ): Promise<void> {
    const { volume } = this;
    const keys = inodes.map((inode) => volume.key(`i${inode}`));
    await volume.transaction(keys, async (queued) => {
      const values = await volume.redis.mgetBuffer(...keys);
      const files = values.map((value, n) => {
        if (value === null) throw new Error(`no inode ${inodes[n]}`);
        return { key: keys[n] ?? '', value, length: Number(value.readBigUInt64BE(51)) };
      });
      return write(queued, files);
    });
  }

  #setLength(queued: Queued, { key, value, length: before }: OpenFile, length: number): void {
    value.writeBigUInt64BE(BigInt(length), 51);
    value.writeBigInt64BE(BigInt(this.volume.now()), 23);
    queued.set(key, value);
    this.#count(queued, spaceOf(length) - spaceOf(before));
  }
}

type Queued = Parameters<Parameters<ModelVolume['transaction']>[1]>[0];

interface OpenFile {
  readonly key: string;
  readonly value: Buffer;
  readonly length: number;
}

/** A range of a file, cut at its chunks. */
function* parts(begin: number, end: number) {
  for (let at = begin; at < end; ) {
    const chunk = Math.floor(at / CHUNK);
    const until = Math.min(end, (chunk + 1) * CHUNK);
    yield { chunk, pos: at - chunk * CHUNK, len: until - at, skipped: at - begin };
    at = until;
  }
}

function* zeros(begin: number, end: number): Generator<{ readonly chunk: number; readonly record: RawSlice }> {
  for (const { chunk, pos, len } of parts(begin, end)) yield { chunk, record: { pos, id: 0, size: 0, off: 0, len } };
}

/** What replaced slices wait in. */
export function delayedValue(slices: readonly RawSlice[]): Buffer {
  return encodeDelayed(slices.filter(({ id }) => id > 0));
}
