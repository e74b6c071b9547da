/**
 * The walk over all inodes of a file system: SCAN on every primary, in pages that a later walk can go on behind. A SCAN
 * cursor means something only to the process that gave it out (a restarted server has another hash seed), so a cursor
 * of ours names all servers, their lives and their slots; it is used only while all of that is as it was.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { CompactError } from '../../errors.ts';
import { decimalId, decimalNumber } from '../../format.ts';
import type { InodeKey } from '../../model.ts';
import type { InodePage } from '../port.ts';
import type { RedisCalls } from './calls.ts';
import { incomplete, slotOwners } from './slots.ts';

/** Keys that one SCAN looks at: one reply stays below some 30 kB, one call below a millisecond of the server. */
const SCAN_COUNT = 1000;
/** Version of the cursor's text. */
const CURSOR_FORM = 'r1';

/** Where a walk stands: which of the primaries, and the server's own cursor there. */
interface Place {
  readonly node: number;
  readonly cursor: string;
}

export class RedisWalk {
  readonly #calls: RedisCalls;
  readonly #keyPrefix: string;

  constructor(calls: RedisCalls, keyPrefix: string) {
    this.#calls = calls;
    this.#keyPrefix = keyPrefix;
  }

  /**
   * O(keys of the database), whatever the size of the file system. Throws `metadata-unavailable` (retry), at the end too,
   * where slots of a cluster have no node, or where a server was restarted or slots have moved meanwhile.
   */
  async *pages(fsId: number, cursor?: string): AsyncGenerator<InodePage> {
    const head = `${this.#keyPrefix}:{${fsId}:`;
    await this.#calls.ready();
    const nodes = this.#calls.primaries();
    const servers = await this.#servers(nodes, head);
    const from = cursor === undefined ? null : placeOf(cursor, { fsId, servers, nodes: nodes.length });
    let restarted = cursor !== undefined && from === null;
    let place: Place | null = from ?? { node: 0, cursor: '0' };
    while (place !== null) {
      const node = nodes[place.node];
      if (node === undefined) break;
      const { keys, next } = await this.#page(node, { fsId, head, cursor: place.cursor });
      place = next === '0' ? following(place.node, nodes.length) : { node: place.node, cursor: next };
      if (place === null && servers.text !== (await this.#servers(nodes, head)).text) {
        throw incomplete('a server of the metadata Redis was restarted, or slots of its cluster moved, meanwhile');
      }
      yield { keys, cursor: place === null ? null : printPlace(place, fsId, servers), restarted };
      restarted = false;
    }
  }

  async #page(node: Redis, at: { readonly fsId: number; readonly head: string; readonly cursor: string }) {
    const { fsId, head, cursor } = at;
    const pattern = `${globLiteral(head)}*}`;
    const [next, found] = await this.#calls.ask(head, () => node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT));
    const keys: InodeKey[] = [];
    for (const redisKey of found) {
      const inodeId = decimalId(redisKey.slice(head.length, -1));
      if (inodeId !== null) keys.push({ fsId, inodeId });
    }
    return { keys, next };
  }

  /** Which servers, in which of their lives, keep which slots; as each node sees it, since they learn one after the other. */
  async #servers(nodes: readonly Redis[], head: string): Promise<Servers> {
    const ask = <T>(send: () => Promise<T>) => this.#calls.ask(head, send);
    const lives = await Promise.all(nodes.map((node) => lifeOf(node, ask)));
    const slots = this.#calls.isCluster ? await Promise.all(nodes.map((node) => slotOwners(node, ask))) : [];
    return { text: JSON.stringify([lives, slots]), known: !lives.includes(null) };
  }
}

interface Servers {
  readonly text: string;
  /** Whether each reported its life; without it no cursor can be trusted. */
  readonly known: boolean;
}

/** Where the process of a server, and the data that it took over, come from; `null` where this user may not ask. */
async function lifeOf(node: Redis, ask: <T>(send: () => Promise<T>) => Promise<T>): Promise<string | null> {
  try {
    const text = await ask(() => node.info());
    const field = (name: string) => new RegExp(`^${name}:(\\w+)`, 'm').exec(text)?.[1];
    const [run, data] = [field('run_id'), field('master_replid')];
    return run === undefined || data === undefined ? null : `${run}:${data}:${node.options.db ?? 0}`;
  } catch (error) {
    if (error instanceof CompactError && error.code === 'metadata-refused') return null;
    throw error;
  }
}

function following(node: number, nodes: number): Place | null {
  return node + 1 < nodes ? { node: node + 1, cursor: '0' } : null;
}

function hashOf(fsId: number, servers: Servers): string {
  return createHash('sha1').update(`${fsId} ${servers.text}`).digest('hex');
}

function printPlace(place: Place, fsId: number, servers: Servers): string {
  return `${CURSOR_FORM}.${hashOf(fsId, servers)}.${place.node}.${place.cursor}`;
}

/** `null` for a cursor of other servers, of another life of theirs, or that is none. */
function placeOf(
  text: string,
  now: { readonly fsId: number; readonly servers: Servers; readonly nodes: number },
): Place | null {
  const [form, hash, nodeText, cursor, ...rest] = text.split('.');
  const node = decimalNumber(nodeText);
  if (form !== CURSOR_FORM || rest.length > 0 || node === null || node >= now.nodes) return null;
  if (!now.servers.known || hash !== hashOf(now.fsId, now.servers)) return null;
  return cursor === undefined || decimalId(cursor) === null ? null : { node, cursor };
}

/** A text that MATCH takes as it is. */
function globLiteral(text: string): string {
  return text.replaceAll(/[\\*?[\]^]/g, '\\$&');
}
