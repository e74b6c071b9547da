/**
 * What a client's own compaction makes of a list: read-write clients compact what they read when it has five records or
 * pieces, and leave alone leading records that are large. A plan that leaves a list which they rewrite is soon undone. The
 * rule is JuiceFS's, stated as a predicate. Pure. It must decide nothing.
 */
import { outside } from '../../outside.ts';
import { validRanges } from '../../plan/index.ts';
import { CHUNK_BYTES, type SliceRecord } from './words.ts';

/** A read of a list with so many records, or pieces and holes, starts a compaction. */
const CLIENT_LIMIT = 5;
/** It takes so many records at most. */
const CLIENT_RECORDS_MAX = 1_000;
/** A leading record stays that is as long … */
const KEPT_BYTES = 1024 * 1024;
/** … and at least this part of what would be merged. */
const KEPT_SHARE = 5;

/** What a client would merge. */
export interface ClientRewrite {
  readonly records: number;
  /** Of the new slice: holes between are written, too. */
  readonly bytes: number;
}

/** The same, with its place: the last of the list's first thousand records become a slice that begins here. */
export interface ClientMerge extends ClientRewrite {
  readonly begin: number;
}

/** A part of a list as one slice: what lies between the first and the last visible byte. */
interface Span {
  readonly begin: number;
  readonly bytes: number;
  /** Position of the record that the first piece is of, and its end. */
  readonly first: number;
  readonly firstEnd: number;
  /** Pieces and holes. */
  readonly parts: number;
}

/** What the next read by a read-write client would rewrite; `null`: nothing. */
export function clientRewrite(records: readonly SliceRecord[]): ClientRewrite | null {
  const list = records.slice(0, CLIENT_RECORDS_MAX);
  if (records.length < CLIENT_LIMIT && spanOf(list).parts < CLIENT_LIMIT) return null;
  const merge = clientMerge(list);
  return merge === null ? null : { records: merge.records, bytes: merge.bytes };
}

/** What a client's compaction merges, whatever made it start. */
export function clientMerge(records: readonly SliceRecord[]): ClientMerge | null {
  const list = records.slice(0, CLIENT_RECORDS_MAX);
  let from = 0;
  for (; from < list.length; from++) {
    const rest = list.slice(from);
    const span = spanOf(rest);
    const [head] = rest;
    if (head === undefined || head.len < KEPT_BYTES || head.len * KEPT_SHARE < span.bytes || span.bytes === 0) break;
    const isWhole = span.first === 0 && span.begin === head.offset && span.firstEnd === head.offset + head.len;
    if (!isWhole || rest.slice(1).some((other) => same(head, other))) break;
  }
  const left = list.slice(from);
  if (left.length < 2) return null;
  const { begin, bytes } = spanOf(left);
  return { records: left.length, bytes, begin };
}

function same(a: SliceRecord, b: SliceRecord): boolean {
  return a.id === b.id && a.offset === b.offset && a.len === b.len && a.from === b.from && a.size === b.size;
}

function spanOf(records: readonly SliceRecord[]): Span {
  const ranges = validRanges(records, { begin: 0, end: CHUNK_BYTES });
  const isData = ({ version }: { readonly version: number }) => (records[version] ?? outside()).id !== 0n;
  let parts = 0;
  let end = 0;
  for (const range of ranges) {
    parts += range.begin > end ? 2 : 1;
    end = range.end;
  }
  const first = ranges.find(isData);
  const last = ranges.findLast(isData);
  if (first === undefined || last === undefined) return { begin: 0, bytes: 0, first: -1, firstEnd: 0, parts };
  return { begin: first.begin, bytes: last.end - first.begin, first: first.version, firstEnd: first.end, parts };
}
