/**
 * Lives that are made up, each of one habit that files have: a check that the dial does not only fit the traces that it was
 * set with. Deterministic. They are shown apart and count in no total.
 */
import type { S3ChunkInfo } from '../../src/model.ts';
import type { Life, LifeEvent } from './life.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GEOMETRY = { blockSize: 4 * MIB, chunkSize: 64 * MIB };

/** A multiplicative congruential generator (Park and Miller): repeatable, and good enough to scatter offsets. */
function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48271) % (2 ** 31 - 1);
    return state % limit;
  };
}

/** Writes to a file, as its client would upload them: cut at the borders of chunks. */
class Writer {
  readonly events: LifeEvent[] = [];
  #chunkId = 0n;
  #length = 0;

  write(offset: number, len: number): void {
    const { chunkSize } = GEOMETRY;
    for (let at = offset; at < offset + len; ) {
      const chunkIndex = Math.floor(at / chunkSize);
      const end = Math.min(offset + len, (chunkIndex + 1) * chunkSize);
      const version: S3ChunkInfo = {
        chunkId: ++this.#chunkId,
        compaction: 0n,
        offset: at,
        len: end - at,
        size: end - at,
        zero: false,
      };
      this.events.push({ kind: 'append', chunkIndex, version });
      at = end;
    }
    if (offset + len > this.#length) {
      this.#length = offset + len;
      this.events.push({ kind: 'length', length: this.#length });
    }
  }

  flush(): void {
    this.events.push({ kind: 'flush' });
  }
}

function life(name: string, play: (writer: Writer) => void): Life {
  const writer = new Writer();
  play(writer);
  return { name, geometry: GEOMETRY, events: writer.events };
}

export function syntheticLives(): Life[] {
  return [
    life('append-log', (writer) => {
      for (let n = 0; n < 2000; n++) {
        writer.write(n * 4 * KIB, 4 * KIB);
        writer.flush();
      }
    }),
    life('random-overwrite', (writer) => {
      const next = random(1);
      for (let block = 0; block < 16; block++) writer.write(block * 4 * MIB, 4 * MIB);
      for (let n = 0; n < 300; n++) {
        for (let page = 0; page < 8; page++) writer.write(next(16 * 1024) * 4 * KIB, 4 * KIB);
        writer.flush();
      }
    }),
    life('hot-corner', (writer) => {
      const next = random(2);
      for (let block = 0; block < 16; block++) writer.write(block * 4 * MIB, 4 * MIB);
      for (let n = 0; n < 300; n++) {
        for (let page = 0; page < 8; page++) writer.write(next(256) * 4 * KIB, 4 * KIB);
        writer.flush();
      }
    }),
    life('sequential-rewrite', (writer) => {
      for (let pass = 0; pass < 4; pass++) {
        for (let n = 0; n < 128; n++) {
          writer.write(n * 512 * KIB, 512 * KIB);
          if (n % 2 === 1) writer.flush();
        }
      }
    }),
    life('sparse', (writer) => {
      const next = random(3);
      for (let n = 0; n < 300; n++) {
        writer.write(next(4 * 1024) * 64 * KIB, 16 * KIB);
        writer.flush();
      }
    }),
  ];
}
