/**
 * The lives of files: one gzipped file of JSON lines each, a header and then events in order. `["v", chunkIndex, chunkId,
 * compaction, offset, len, zero]` appends a version, `["l", length]` sets the length, `["f"]` ends a flush: the moment to
 * look, to read, or to compact. Reading only; what a life comes to is the business of replay.ts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Geometry, S3ChunkInfo } from '../../src/model.ts';

export type LifeEvent =
  | { readonly kind: 'append'; readonly chunkIndex: number; readonly version: S3ChunkInfo }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'flush' };

export interface Life {
  readonly name: string;
  readonly geometry: Geometry;
  readonly events: readonly LifeEvent[];
}

const SUFFIX = '.events.jsonl.gz';
const size = z.number().int().nonnegative();
const header = z.object({ name: z.string(), blockSize: size, chunkSize: size });
const event = z.union([
  z.tuple([z.literal('v'), size, size, size, size, size, size]),
  z.tuple([z.literal('l'), size]),
  z.tuple([z.literal('f')]),
]);

/** The lives in a folder, by name. Throws for a folder without any. */
export function readLives(folder: string): Life[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(SUFFIX));
  if (files.length === 0) throw new Error(`${folder} holds no file that ends in ${SUFFIX}`);
  return files.sort().map((file) => readLife(join(folder, file)));
}

function readLife(path: string): Life {
  const [first = '', ...lines] = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const { blockSize, chunkSize } = header.parse(JSON.parse(first));
  const events = lines.map((line) => toEvent(event.parse(JSON.parse(line))));
  return { name: basename(path, SUFFIX), geometry: { blockSize, chunkSize }, events };
}

function toEvent(parsed: z.infer<typeof event>): LifeEvent {
  if (parsed[0] === 'f') return { kind: 'flush' };
  if (parsed[0] === 'l') return { kind: 'length', length: parsed[1] };
  const [, chunkIndex, chunkId, compaction, offset, len, zero] = parsed;
  const ids = { chunkId: BigInt(chunkId), compaction: BigInt(compaction) };
  return { kind: 'append', chunkIndex, version: { ...ids, offset, len, size: len, zero: zero === 1 } };
}
