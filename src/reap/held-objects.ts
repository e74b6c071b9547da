/**
 * How much a reap record would delete if no hold kept it: for people, not for decisions. Apart from the look because it
 * reads nothing but the record. Bytes are what the replaced versions say; what an attempt merged and nobody referenced is
 * counted as an object without bytes.
 */
import { objectName, parseRecord } from '../format.ts';
import type { ReapRecord } from '../ledger.ts';
import type { S3ChunkInfo } from '../model.ts';
import { objectSizes } from '../plan/index.ts';

export interface HeldObjects {
  readonly objects: number;
  /** At least. */
  readonly bytes: number;
}

export function heldObjects(record: ReapRecord): HeldObjects {
  const { key, layout, unreferenced, retired, replaced = [] } = record;
  const names = new Set(unreferenced ?? retired);
  const sizes = new Map<string, number>();
  for (const { object, bytes } of layout === undefined ? [] : objectSizes(versionsOf(replaced), layout)) {
    const name = objectName(key, object, layout?.objectPrefix ?? 0);
    if (names.has(name)) sizes.set(name, Math.max(bytes, sizes.get(name) ?? 0));
  }
  return { objects: names.size, bytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

/** Versions that cannot be read have no size. */
function versionsOf(texts: readonly string[]): readonly S3ChunkInfo[] {
  try {
    return texts.map(parseRecord);
  } catch {
    return [];
  }
}
