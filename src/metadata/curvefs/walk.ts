/**
 * The walk over a file system's files: its directories from the root, depth first, page by page, since metaservers list
 * no inodes. What is kept is the way from the root and the subdirectories of one page on each level of it. A later walk may see
 * some files twice, and a directory that is renamed meanwhile may be walked twice or not at all: the next walk finds it.
 */
import type { InodeKey } from '../../model.ts';
import { CURSOR_LENGTH_MAX, type InodePage } from '../port.ts';
import { Deadline } from './channel.ts';
import { refused, unavailable } from './faults.ts';
import type { Metaservers } from './metaservers.ts';
import { batchGetInodeAttr, type Dentry, type InodeAttr, listDentry } from './proto/metaserver.ts';
import type { Topology } from './topology.ts';

/** Entries of a directory that are read at a time; a reply stays below some 300 kB. */
const PAGE_ENTRIES = 1_000;
/** Inodes whose attributes are asked for at a time; CurveFS's own client asks for at most 10,000. */
const BATCH_MAX = 1_000;
/** Deeper trees cannot be named by a path; a loop would be endless. */
const DEPTH_MAX = 4_096;
/** How old the partitions' transaction ids may be: entries that younger renames have made are not seen. */
const TX_FRESH_MS = 10_000;
/** Files with several names that are remembered, so that they come once; one more costs some 60 bytes. */
const HARD_LINKS_MAX = 200_000;
/** Version of the cursor's text. */
const CURSOR_FORM = 'c1';

type Attributes = ReadonlyMap<bigint, InodeAttr>;

interface WalkDeps {
  readonly metaservers: Metaservers;
  readonly topology: Topology;
  readonly timeoutMs: number;
}

interface Subdirectory {
  readonly inodeId: bigint;
  /** The name before its own: listing behind that comes to it again. */
  readonly before: string;
}

/** A directory on the way from the root to where the walk stands. */
interface Level {
  readonly dirId: bigint;
  /** Listed up to this name. */
  last: string;
  /** Found up to there and not walked yet; the first may be under way. */
  readonly pending: Subdirectory[];
  ended: boolean;
  /** A subdirectory that an earlier walk was in: it is walked first, and not again where it is listed. */
  readonly done?: bigint;
}

/** One walk; `rootId` is the inode of the root directory. */
export async function* walkFiles(
  place: { readonly fsId: number; readonly rootId: bigint; readonly cursor: string | undefined },
  deps: WalkDeps,
): AsyncGenerator<InodePage> {
  const { fsId, rootId, cursor } = place;
  const resumed = cursor === undefined ? null : parseCursor(cursor, rootId);
  let restarted = cursor !== undefined && resumed === null;
  const levels = resumed ?? [newLevel(rootId)];
  const listing = new Listing(fsId, deps);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const [child] = level.pending;
    if (child !== undefined) {
      if (levels.length >= DEPTH_MAX)
        throw refused(`the directories of file system ${fsId} are more than ${DEPTH_MAX} deep`);
      levels.push(newLevel(child.inodeId));
    } else if (level.ended) {
      levels.pop();
      levels.at(-1)?.pending.shift();
    } else {
      const keys = await listing.next(level);
      yield { keys, cursor: printCursor(levels), restarted };
      restarted = false;
    }
  }
  yield { keys: [], cursor: null, restarted };
}

function newLevel(dirId: bigint): Level {
  return { dirId, last: '', pending: [], ended: false };
}

class Listing {
  readonly #fsId: number;
  readonly #deps: WalkDeps;
  readonly #hardLinks = new Set<bigint>();
  #partitionsAtMs = Number.NEGATIVE_INFINITY;

  constructor(fsId: number, deps: WalkDeps) {
    this.#fsId = fsId;
    this.#deps = deps;
  }

  /** The files of the next page of a directory; its subdirectories become pending. */
  async next(level: Level): Promise<readonly InodeKey[]> {
    await this.#freshPartitions();
    const entries = await this.#page(level);
    const files = new Set<bigint>();
    let before = level.last;
    const names = new Map<bigint, string>();
    for (const { inodeId, name, type } of entries ?? []) {
      if (name <= before) throw refused(`a metaserver lists directory ${this.#fsId}/${level.dirId} out of order`);
      // An entry of an old client has no type: its inode tells.
      if (type === 'TYPE_DIRECTORY' || type === undefined) names.set(inodeId, before);
      if (type === 'TYPE_S3' || type === undefined) files.add(inodeId);
      before = name;
    }
    const attributes = await fileAttributes({ fsId: this.#fsId, inodeIds: [...files] }, this.#deps);
    for (const [inodeId, name] of names) {
      const isDirectory = !files.has(inodeId) || attributes.get(inodeId)?.type === 'TYPE_DIRECTORY';
      if (isDirectory && inodeId !== level.done) level.pending.push({ inodeId, before: name });
    }
    level.last = before;
    level.ended = entries === null || entries.length < PAGE_ENTRIES;
    return this.#chosen(files, attributes);
  }

  /** Each file once, if it is one that may be compacted. */
  #chosen(files: ReadonlySet<bigint>, attributes: Attributes): InodeKey[] {
    const keys: InodeKey[] = [];
    for (const inodeId of files) {
      const found = attributes.get(inodeId);
      if (found === undefined || found.type !== 'TYPE_S3' || found.nlink === 0 || (found.dtime ?? 0) > 0) continue;
      if (found.nlink > 1 && !this.#firstName(inodeId)) continue;
      keys.push({ fsId: this.#fsId, inodeId });
    }
    return keys;
  }

  #firstName(inodeId: bigint): boolean {
    if (this.#hardLinks.has(inodeId)) return false;
    const [oldest] = this.#hardLinks;
    if (oldest !== undefined && this.#hardLinks.size >= HARD_LINKS_MAX) this.#hardLinks.delete(oldest);
    this.#hardLinks.add(inodeId);
    return true;
  }

  /** `null` when the directory is gone. */
  async #page(level: Level): Promise<readonly Dentry[] | null> {
    const { dirId, last } = level;
    const response = await this.#deps.metaservers.read(
      { fsId: this.#fsId, inodeId: dirId },
      {
        method: listDentry,
        request: ({ poolId, copysetId, partitionId, txId }) => ({
          poolId,
          copysetId,
          partitionId,
          fsId: this.#fsId,
          dirInodeId: dirId,
          count: PAGE_ENTRIES,
          // Without it, entries that renames have made are not seen.
          txId,
          ...(last === '' ? {} : { last }),
        }),
      },
    );
    if (response === null || response.statusCode === 'NOT_FOUND') return null;
    if (response.statusCode === 'OK') return response.dentrys;
    throw unavailable(`the metaserver cannot list directory ${this.#fsId}/${dirId}: ${response.statusCode}`);
  }

  async #freshPartitions(): Promise<void> {
    if (performance.now() - this.#partitionsAtMs < TX_FRESH_MS) return;
    this.#partitionsAtMs = performance.now();
    await this.#deps.topology.partitions(this.#fsId, new Deadline(this.#deps.timeoutMs));
  }
}

/** Each level's directory and the name behind which it goes on; as many levels as fit. */
function printCursor(levels: readonly Level[]): string {
  let text = CURSOR_FORM;
  for (const { dirId, last, pending } of levels) {
    const [child] = pending;
    const next = `${text}/${dirId}:${encodeURIComponent(child?.before ?? last)}`;
    if (next.length > CURSOR_LENGTH_MAX) break;
    text = next;
  }
  return text;
}

/** `null` for a cursor that this walk cannot go on behind. */
function parseCursor(text: string, rootId: bigint): Level[] | null {
  const [form, ...parts] = text.split('/');
  if (form !== CURSOR_FORM || text.length > CURSOR_LENGTH_MAX || parts.length === 0) return null;
  const ways: { readonly dirId: bigint; readonly last: string }[] = [];
  for (const part of parts) {
    const match = /^(\d{1,20}):(.*)$/.exec(part);
    const last = decoded(match?.[2] ?? '');
    if (match === null || last === null) return null;
    ways.push({ dirId: BigInt(match[1] ?? ''), last });
  }
  if (ways[0]?.dirId !== rootId) return null;
  return ways.map(({ dirId, last }, n) => {
    const child = ways[n + 1]?.dirId;
    if (child === undefined) return { ...newLevel(dirId), last };
    return { ...newLevel(dirId), last, pending: [{ inodeId: child, before: last }], done: child };
  });
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

interface Asked {
  readonly fsId: number;
  readonly inodeIds: readonly bigint[];
}

/** Attributes by inode id, in few calls; one that is gone is not there. Throws `metadata-unavailable` (retry). */
export async function fileAttributes(asked: Asked, deps: WalkDeps): Promise<Attributes> {
  const found = new Map<bigint, InodeAttr>();
  for (const group of await byPartition(asked, deps)) {
    for (let from = 0; from < group.length; from += BATCH_MAX) {
      for (const attr of await batch(asked.fsId, group.slice(from, from + BATCH_MAX), deps))
        found.set(attr.inodeId, attr);
    }
  }
  return found;
}

/** A call may only name inodes of one partition. */
async function byPartition({ fsId, inodeIds }: Asked, { topology, timeoutMs }: WalkDeps): Promise<Iterable<bigint[]>> {
  const deadline = new Deadline(timeoutMs);
  const groups = new Map<number, bigint[]>();
  for (const inodeId of new Set(inodeIds)) {
    const partition = await topology.partitionOf(fsId, inodeId, deadline);
    if (partition === null) continue;
    const group = groups.get(partition.partitionId) ?? [];
    groups.set(partition.partitionId, group);
    group.push(inodeId);
  }
  return groups.values();
}

/** A metaserver fails the whole call for one inode that is gone, which is ordinary: then the halves are asked for. */
async function batch(fsId: number, inodeIds: readonly bigint[], deps: WalkDeps): Promise<readonly InodeAttr[]> {
  const [first] = inodeIds;
  if (first === undefined) return [];
  const response = await deps.metaservers.read(
    { fsId, inodeId: first },
    {
      method: batchGetInodeAttr,
      request: ({ poolId, copysetId, partitionId }) => ({ poolId, copysetId, partitionId, fsId, inodeId: inodeIds }),
    },
  );
  if (response?.statusCode === 'OK') return response.attr;
  if (response !== null && response.statusCode !== 'NOT_FOUND') {
    throw unavailable(`the metaserver cannot tell the attributes of inode ${fsId}/${first}: ${response.statusCode}`);
  }
  if (inodeIds.length === 1) return [];
  const half = Math.ceil(inodeIds.length / 2);
  return [...(await batch(fsId, inodeIds.slice(0, half), deps)), ...(await batch(fsId, inodeIds.slice(half), deps))];
}
