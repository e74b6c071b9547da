/**
 * A walk over all keys of a pattern: SCAN on every primary, in pages that a later walk can go on behind. A SCAN
 * cursor means something only to the process that gave it out (a restarted server has another hash seed), so a cursor
 * of ours names all servers, their lives and their slots; it is used only while all of that is as it was.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { CompactError } from '../../errors.ts';
import { decimalId, decimalNumber } from '../../format.ts';
import { replicationOf } from '../../redis/primary.ts';
import type { InodePage } from '../port.ts';
import type { RedisCalls } from './calls.ts';

/** Keys that one SCAN looks at: one reply stays below some 30 kB, one call below a millisecond of the server. */
const SCAN_COUNT = 1000;
/** Version of the cursor's text. */
const CURSOR_FORM = 'r1';
/** Of a cluster. */
const SLOTS = 16_384;

/** Where a walk stands: which of the primaries, and the server's own cursor there. */
interface Place {
  readonly node: number;
  readonly cursor: string;
}

/** All inodes of a file system; O(keys of the database), whatever its size. Throws as `walkKeys`. */
export async function* walkInodes(
  calls: RedisCalls,
  place: { readonly keyPrefix: string; readonly fsId: number; readonly cursor: string | undefined },
): AsyncGenerator<InodePage> {
  const { keyPrefix, fsId, cursor } = place;
  const head = `${keyPrefix}:{${fsId}:`;
  for await (const { found, ...page } of walkKeys(calls, `${globLiteral(head)}*}`, cursor)) {
    const ids = found.map((redisKey) => decimalId(redisKey.slice(head.length, -1))).filter((id) => id !== null);
    yield { ...page, keys: ids.map((inodeId) => ({ fsId, inodeId })) };
  }
}

/** `cursor` and `restarted` as of InodePage. */
interface KeyPage extends Pick<InodePage, 'cursor' | 'restarted'> {
  readonly found: readonly string[];
}

/**
 * O(keys of the database). Throws `metadata-unavailable` (retry), at the end too, where slots of a cluster have no node, or
 * where a server was restarted or slots have moved meanwhile.
 */
export async function* walkKeys(calls: RedisCalls, pattern: string, cursor?: string): AsyncGenerator<KeyPage> {
  await calls.ready();
  const nodes = calls.primaries();
  const servers = await serversOf(calls, nodes, pattern);
  const from = cursor === undefined ? null : placeOf(cursor, { pattern, servers, nodes: nodes.length });
  let restarted = cursor !== undefined && from === null;
  let place: Place | null = from ?? { node: 0, cursor: '0' };
  while (place !== null) {
    const node: Redis | undefined = nodes[place.node];
    if (node === undefined) break;
    const at: string = place.cursor;
    const [next, found]: [string, string[]] = await calls.ask(pattern, () =>
      node.scan(at, 'MATCH', pattern, 'COUNT', SCAN_COUNT),
    );
    place = next === '0' ? following(place.node, nodes.length) : { node: place.node, cursor: next };
    if (place === null && servers.text !== (await serversOf(calls, nodes, pattern)).text) {
      throw incomplete('a server of the metadata Redis was restarted, or slots of its cluster moved, meanwhile');
    }
    yield { found, cursor: place === null ? null : printPlace(place, pattern, servers), restarted };
    restarted = false;
  }
}

/** Which servers, in which of their lives, keep which slots; as each node sees it, since they learn one after the other. */
async function serversOf(calls: RedisCalls, nodes: readonly Redis[], about: string): Promise<Servers> {
  const ask = <T>(send: () => Promise<T>) => calls.ask(about, send);
  const lives = await Promise.all(nodes.map((node) => lifeOf(node, ask)));
  const slots = calls.isCluster ? await Promise.all(nodes.map((node) => slotOwners(node, ask))) : [];
  return { text: JSON.stringify([lives, slots]), known: !lives.includes(null) };
}

interface Servers {
  readonly text: string;
  /** Whether each reported its life; without it no cursor can be trusted. */
  readonly known: boolean;
}

/**
 * Which primary has which slots, as one node says: a slot that none of them has, or that moves behind a walk, would be keys
 * that are missed in silence. Two answers are the same text when no slot has another primary.
 */
async function slotOwners(node: Redis, ask: <T>(send: () => Promise<T>) => Promise<T>): Promise<string> {
  const ranges = await ask(() => node.cluster('SLOTS'));
  const owners = ranges.map(([first, last, primary]) => ({ first, last, owner: primary?.slice(0, 2).join(':') }));
  const served = owners.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (served !== SLOTS) throw incomplete(`${SLOTS - served} slots of the metadata Redis Cluster have no node`);
  return JSON.stringify(owners.toSorted((a, b) => a.first - b.first));
}

/** A walk that cannot have seen everything. */
export function incomplete(what: string): CompactError {
  const message = `${what}, so that something may have been missed; nothing was changed`;
  return new CompactError(message, { kind: 'retry', code: 'metadata-unavailable' });
}

/** Where the process of a server, and the data that it took over, come from; `null` where this user may not ask. */
async function lifeOf(node: Redis, ask: <T>(send: () => Promise<T>) => Promise<T>): Promise<string | null> {
  try {
    const { runId, replId } = replicationOf(await ask(() => node.info()));
    return runId === '' || replId === '' ? null : `${runId}:${replId}:${node.options.db ?? 0}`;
  } catch (error) {
    if (error instanceof CompactError && error.code === 'metadata-refused') return null;
    throw error;
  }
}

function following(node: number, nodes: number): Place | null {
  return node + 1 < nodes ? { node: node + 1, cursor: '0' } : null;
}

function hashOf(pattern: string, servers: Servers): string {
  return createHash('sha1').update(`${pattern} ${servers.text}`).digest('hex');
}

function printPlace(place: Place, pattern: string, servers: Servers): string {
  return `${CURSOR_FORM}.${hashOf(pattern, servers)}.${place.node}.${place.cursor}`;
}

/** `null` for a cursor of other servers, of another life of theirs, or that is none. */
function placeOf(
  text: string,
  now: { readonly pattern: string; readonly servers: Servers; readonly nodes: number },
): Place | null {
  const [form, hash, nodeText, cursor, ...rest] = text.split('.');
  const node = decimalNumber(nodeText);
  if (form !== CURSOR_FORM || rest.length > 0 || node === null || node >= now.nodes) return null;
  if (!now.servers.known || hash !== hashOf(now.pattern, now.servers)) return null;
  return cursor === undefined || decimalId(cursor) === null ? null : { node, cursor };
}

/** A text that MATCH takes as it is. */
function globLiteral(text: string): string {
  return text.replaceAll(/[\\*?[\]^]/g, '\\$&');
}
