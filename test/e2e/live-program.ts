/**
 * A program on a mounted volume, run by juicefs-live.torture.test.ts in the mount's namespace: it writes, truncates and reads
 * its own files, and reads others that it holds open, until the stop file is there. Every read must give what was
 * written last. It prints how much it did, and each of its files with its SHA-256.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../sim/seeded/random.ts';

const [mount = '', stopFile = '', seed = '', held = ''] = process.argv.slice(2);
const FILES = 3;
const LENGTH_MAX = 6 * 1024 * 1024;
const WRITE_MAX = 200_000;
const READ_MAX = 500_000;
/** Of a file that is held open. */
const HELD_MAX = 64 * 1024 * 1024;
const random = new Random(Number(seed));

const sha = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  for (let n = -1; n !== 0 && at < length; at += n) n = readSync(fd, buffer, at, length - at, offset + at);
  return buffer.subarray(0, at);
}

function expectSame(what: string, read: Buffer, expected: Buffer, offset: number): void {
  if (read.equals(expected)) return;
  const at = [...expected].findIndex((byte, n) => byte !== read[n]);
  throw new Error(
    `${what} reads differently from byte ${offset + at} on (${read.length} of ${expected.length} bytes came)`,
  );
}

class Own {
  readonly name: string;
  readonly #path: string;
  content = Buffer.alloc(0);
  #fd: number;

  constructor(name: string) {
    this.name = name;
    this.#path = join(mount, name);
    this.#fd = openSync(this.#path, 'w+');
  }

  step(): void {
    const kind = random.below(10);
    if (kind < 5) this.#write();
    else if (kind < 8) this.check(random.below(this.content.length + 1), 1 + random.below(READ_MAX));
    else if (kind < 9) this.#reopen();
    else if (random.below(8) === 0) this.#truncate();
  }

  check(offset: number, length: number): void {
    const expected = this.content.subarray(offset, offset + length);
    expectSame(this.name, readAt(this.#fd, offset, length), expected, offset);
  }

  #write(): void {
    const bytes = Buffer.alloc(1 + random.below(WRITE_MAX), random.below(256));
    const end = random.below(2) === 0 ? this.content.length : random.below(this.content.length + 1);
    const offset = Math.min(end, LENGTH_MAX - bytes.length);
    writeSync(this.#fd, bytes, 0, bytes.length, offset);
    fsyncSync(this.#fd);
    const grown = Buffer.alloc(Math.max(this.content.length, offset + bytes.length));
    this.content.copy(grown);
    bytes.copy(grown, offset);
    this.content = grown;
  }

  #truncate(): void {
    const length = random.below(LENGTH_MAX);
    ftruncateSync(this.#fd, length);
    const cut = Buffer.alloc(length);
    this.content.copy(cut);
    this.content = cut;
  }

  #reopen(): void {
    this.close();
    this.#fd = openSync(this.#path, 'r+');
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A file that nobody writes any more: what it read as at first it must read as for ever. */
class Held {
  readonly name: string;
  readonly #fd: number;
  readonly #content: Buffer;

  constructor(name: string) {
    this.name = name;
    this.#fd = openSync(join(mount, held, name), 'r');
    this.#content = readAt(this.#fd, 0, HELD_MAX);
  }

  check(): void {
    const offset = random.below(this.#content.length);
    const expected = this.#content.subarray(offset, offset + 1 + random.below(READ_MAX));
    expectSame(this.name, readAt(this.#fd, offset, expected.length), expected, offset);
  }
}

const others = readdirSync(join(mount, held)).map((name) => new Held(name));
const own = Array.from({ length: FILES }, (_, n) => new Own(`live-${seed}-${n}`));
let steps = 0;
for (; !existsSync(stopFile); steps++) {
  random.pick(own).step();
  random.pick(others).check();
}
for (const file of own) {
  file.check(0, LENGTH_MAX);
  file.close();
}
const hashes = Object.fromEntries(own.map(({ name, content }) => [`/${name}`, sha(content)]));
console.log(JSON.stringify({ steps, hashes }));
