/**
 * Random programs on a volume, from a seed, with every byte of every file kept in memory: what a reader must see. Half of
 * the files are used around the border of two chunks and not at their begin: clients write holes out.
 */
import { createCipheriv, createHash } from 'node:crypto';
import type { Random } from '../../sim/seeded/random.ts';
import type { ModelClient } from './client.ts';
import { compactChunk, isDue } from './compaction.ts';
import { hourlyJobs } from './jobs.ts';
import { CHUNK } from './volume.ts';

const KIB = 1024;
const PAGE = 64 * KIB;
const FILES_MAX = 6;

/** A file's bytes in memory; pages that hold only zeros are absent. */
class Truth {
  length = 0;
  #pages = new Map<number, Uint8Array>();

  put(offset: number, bytes: Uint8Array): void {
    for (const [n, byte] of bytes.entries()) {
      const page = Math.floor((offset + n) / PAGE);
      let found = this.#pages.get(page);
      if (found === undefined) {
        if (byte === 0) continue;
        found = new Uint8Array(PAGE);
        this.#pages.set(page, found);
      }
      found[(offset + n) % PAGE] = byte;
    }
    this.length = Math.max(this.length, offset + bytes.length);
  }

  cut(length: number): void {
    for (const [page, bytes] of this.#pages) {
      if ((page + 1) * PAGE <= length) continue;
      if (page * PAGE >= length) this.#pages.delete(page);
      else bytes.fill(0, length - page * PAGE);
    }
    this.length = length;
  }

  get(offset: number, bytes: number): Uint8Array {
    const content = new Uint8Array(bytes);
    for (let page = Math.floor(offset / PAGE); page * PAGE < offset + bytes; page++) {
      const found = this.#pages.get(page);
      if (found === undefined) continue;
      const [begin, end] = [Math.max(offset, page * PAGE), Math.min(offset + bytes, (page + 1) * PAGE)];
      content.set(found.subarray(begin - page * PAGE, end - page * PAGE), begin - offset);
    }
    return content;
  }

  copy(): Truth {
    const other = new Truth();
    other.length = this.length;
    other.#pages = new Map([...this.#pages].map(([page, bytes]) => [page, Uint8Array.from(bytes)]));
    return other;
  }
}

export interface PlayOptions {
  /** Bytes that stand for a KiB: small files for worlds of many seeds. */
  readonly unit?: number;
  /** Without, no file reaches the second chunk. */
  readonly far?: boolean;
  /** Files are also read, and compared, between. */
  readonly reads?: boolean;
  /** Without, no range is copied and no file is cloned. */
  readonly copies?: boolean;
}

export interface PlayedFile {
  readonly name: string;
  readonly inode: number;
  readonly truth: Truth;
  /** Used around the border. */
  readonly far: boolean;
}

export class Play {
  readonly files: PlayedFile[] = [];
  /** What was done, one line each. */
  readonly trace: string[] = [];
  onStep: ((line: string) => void) | undefined;
  readonly #client: ModelClient;
  readonly #random: Random;
  readonly #options: Required<PlayOptions>;
  #made = 0;

  constructor(
    client: ModelClient,
    random: Random,
    { unit = KIB, far = true, reads = false, copies = true }: PlayOptions = {},
  ) {
    this.#client = client;
    this.#random = random;
    this.#options = { unit, far, reads, copies };
  }

  /** One operation of a program. */
  async step(): Promise<void> {
    const random = this.#random;
    if (this.files.length < 2) return this.#create();
    const file = random.pick(this.files);
    await random.pick([
      ...Array.from({ length: 16 }, () => () => this.#write(file)),
      () => this.#truncate(file),
      () => this.#punch(file),
      () => this.#punch(file),
      () => this.#unlink(file),
      () => this.#create(),
      () => this.#create(),
      ...(this.#options.copies ? [() => this.#copy(file), () => this.#copy(file), () => this.#clone(file)] : []),
      ...(this.#options.reads ? [() => this.read(file), () => this.read(file)] : []),
    ])();
  }

  /** What happens behind a program's back: a compaction, or the jobs of an hour. */
  async behind(): Promise<void> {
    const { volume } = this.#client;
    if (this.#random.below(5) === 0) {
      this.#note('hourly jobs');
      return hourlyJobs(this.#client);
    }
    const { inode } = this.#random.pick(this.files);
    const chunk = this.#random.below(2);
    if (this.#random.below(3) > 0 && !isDue(await volume.list(inode, chunk))) return;
    this.#note(`a client compacts ${inode}, chunk ${chunk}: ${await compactChunk(volume, inode, chunk)}`);
  }

  /** Throws when a byte is not the one that was written. */
  async read(file: PlayedFile, client = this.#client): Promise<void> {
    this.#note(`read ${file.inode}`);
    const [is, shall] = [await client.read(file.inode), this.bytesOf(file)];
    if (is.equals(shall)) return;
    const at = is.length === shall.length ? is.findIndex((byte, n) => byte !== shall[n]) : `${is.length} bytes long`;
    throw new Error(`inode ${file.inode} does not read as it was written: ${at} of ${shall.length}`);
  }

  /** What a file reads as. */
  bytesOf({ truth }: Pick<PlayedFile, 'truth'>): Uint8Array {
    return truth.get(0, truth.length);
  }

  #note(line: string): void {
    this.trace.push(line);
    this.onStep?.(line);
  }

  #offset({ far }: PlayedFile): number {
    const { unit } = this.#options;
    return (far ? CHUNK - 200 * unit : 0) + this.#random.below(400 * unit);
  }

  async #create(): Promise<void> {
    if (this.files.length >= FILES_MAX) return;
    const name = `file-${this.#made++}`;
    const inode = await this.#client.create(name);
    this.#note(`create ${name}: ${inode}`);
    this.files.push({ name, inode, truth: new Truth(), far: this.#options.far && this.#made % 2 === 0 });
  }

  async #write(file: PlayedFile): Promise<void> {
    const { inode, truth } = file;
    const offset = truth.length > 0 && this.#random.below(4) === 0 ? truth.length : this.#offset(file);
    const room = CHUNK - (offset % CHUNK);
    const most = (this.#random.below(3) === 0 ? 300 : 20) * this.#options.unit;
    const bytes = Math.min(room, 1 + this.#random.below(most));
    const key = createHash('md5').update(`${inode} ${this.trace.length}`).digest();
    const content = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
    this.#note(`write ${inode}: ${bytes} at ${offset}`);
    await this.#client.write(inode, offset, content);
    truth.put(offset, content);
  }

  async #truncate(file: PlayedFile): Promise<void> {
    const { inode, truth } = file;
    const length = this.#random.below(4) === 0 ? 0 : this.#offset(file);
    this.#note(`truncate ${inode}: ${truth.length} to ${length}`);
    await this.#client.truncate(inode, length);
    truth.cut(length);
  }

  async #punch(file: PlayedFile): Promise<void> {
    const { inode, truth } = file;
    const [offset, bytes] = [this.#offset(file), 1 + this.#random.below(120 * this.#options.unit)];
    this.#note(`punch ${inode}: ${bytes} at ${offset}`);
    await this.#client.punch(inode, offset, bytes);
    const end = Math.min(offset + bytes, truth.length);
    if (end > offset) truth.put(offset, new Uint8Array(end - offset));
  }

  async #copy(to: PlayedFile): Promise<void> {
    const from = this.#random.pick(this.files);
    const [fromOffset, offset, bytes] = [
      this.#offset(from),
      this.#offset(to),
      1 + this.#random.below(250 * this.#options.unit),
    ];
    // Within one file ranges must not overlap.
    if (from === to && Math.abs(fromOffset - offset) < bytes) return;
    this.#note(`copy ${bytes} of ${from.inode} at ${fromOffset} to ${to.inode} at ${offset}`);
    const copied = await this.#client.copyRange(from.inode, fromOffset, to.inode, offset, bytes);
    if (copied > 0) to.truth.put(offset, from.truth.get(fromOffset, copied));
  }

  async #clone({ inode, truth, far }: PlayedFile): Promise<void> {
    if (this.files.length >= FILES_MAX) return;
    const name = `file-${this.#made++}`;
    const clone = await this.#client.clone(inode, name);
    this.#note(`clone ${inode}: ${clone}`);
    this.files.push({ name, inode: clone, truth: truth.copy(), far });
  }

  async #unlink(file: PlayedFile): Promise<void> {
    this.#note(`unlink ${file.inode}`);
    this.files.splice(this.files.indexOf(file), 1);
    await this.#client.unlink(file.name, { later: this.#random.below(2) === 0 });
  }
}
