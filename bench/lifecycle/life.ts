/**
 * The lives of files: one gzipped file of JSON lines each, a header and then events in order. `["v", chunkIndex, chunkId,
 * compaction, offset, len, zero]` appends a version, `["l", length]` sets the length, `["f", ms]` ends a flush: the moment to
 * look, to read, or to compact; `ms` may be absent, and then there is only the old clock. Reading only.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Geometry, S3ChunkInfo } from '../../src/model.ts';

export type LifeEvent =
  | { readonly kind: 'append'; readonly chunkIndex: number; readonly version: S3ChunkInfo }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'flush' /** Milliseconds of the life. */; readonly ms?: number };

export interface Life {
  readonly name: string;
  readonly geometry: Geometry;
  readonly events: readonly LifeEvent[];
}

const SUFFIX = '.events.jsonl.gz';
const size = z.number().int().nonnegative();
const header = z
  .object({ name: z.string(), blockSize: size.positive(), chunkSize: size.positive() })
  .refine(({ blockSize, chunkSize }) => chunkSize % blockSize === 0);
const event = z.union([
  z.tuple([z.literal('v'), size, size, size, size, size, size]),
  z.tuple([z.literal('l'), size]),
  z.union([z.tuple([z.literal('f')]), z.tuple([z.literal('f'), size])]),
]);

/** The lives in a folder, by name. Throws for a folder without any, and for a file that is broken, telling where. */
export function readLives(folder: string): Life[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(SUFFIX));
  if (files.length === 0) throw new Error(`${folder} holds no file that ends in ${SUFFIX}`);
  return files.sort().map((file) => readLife(join(folder, file)));
}

function readLife(path: string): Life {
  const [first = '', ...lines] = unzipped(path).trim().split('\n');
  const { blockSize, chunkSize } = parsed(first, header, `${path}, line 1, the header`);
  const events = lines.map((line, n) => toEvent(parsed(line, event, `${path}, line ${n + 2}`)));
  if (!events.some(({ kind }) => kind === 'flush')) throw new Error(`${path} has no flush, so no moment to look`);
  return { name: basename(path, SUFFIX), geometry: { blockSize, chunkSize }, events };
}

function unzipped(path: string): string {
  try {
    return gunzipSync(readFileSync(path)).toString();
  } catch (error) {
    throw new Error(`${path} cannot be read as gzip: ${error instanceof Error ? error.message : error}`);
  }
}

function parsed<T>(line: string, schema: z.ZodType<T>, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error(`${where}: not JSON: ${line.slice(0, 80)}`);
  }
  const result = schema.safeParse(json);
  if (!result.success) throw new Error(`${where}: not as it must be: ${line.slice(0, 80)}`);
  return result.data;
}

function toEvent(parsed: z.infer<typeof event>): LifeEvent {
  if (parsed[0] === 'f') return { kind: 'flush', ...(parsed[1] === undefined ? {} : { ms: parsed[1] }) };
  if (parsed[0] === 'l') return { kind: 'length', length: parsed[1] };
  const [, chunkIndex, chunkId, compaction, offset, len, zero] = parsed;
  const ids = { chunkId: BigInt(chunkId), compaction: BigInt(compaction) };
  return { kind: 'append', chunkIndex, version: { ...ids, offset, len, size: len, zero: zero === 1 } };
}
