/**
 * Which primary of a cluster has which slots. It stands alone for walks over all keys: a walk sees only the nodes that it
 * hears of, and a slot that none of them has, or that moves behind its back, would be keys that are missed in silence.
 * It must not know a key.
 */
import type { Redis } from 'ioredis';
import { CompactError } from '../../errors.ts';

const SLOTS = 16_384;

/** Asks one node; `ask` bounds the call. Two answers are the same text when no slot has another primary. */
export async function slotOwners(node: Redis, ask: <T>(send: () => Promise<T>) => Promise<T>): Promise<string> {
  const ranges = await ask(() => node.cluster('SLOTS'));
  const owners = ranges.map(([first, last, primary]) => ({ first, last, owner: primary?.slice(0, 2).join(':') }));
  const served = owners.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (served !== SLOTS) throw incomplete(`${SLOTS - served} slots of the metadata Redis Cluster have no node`);
  return JSON.stringify(owners.toSorted((a, b) => a.first - b.first));
}

/** A walk that cannot have seen everything. */
export function incomplete(what: string): CompactError {
  return new CompactError(`${what}, so that something may have been missed; nothing was changed`, {
    kind: 'retry',
    code: 'metadata-unavailable',
  });
}
