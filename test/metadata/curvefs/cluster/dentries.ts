/**
 * The directory entries of a metaserver: per name the states that transactions left, and what ListDentry shows of them
 * (facts §1d): byte order of names, `last` exclusive, a page at a time, only what the transaction number lets be seen.
 */

/** DentryFlag. */
const DELETE_MARK = 2;
/** FsFileType. */
export const DIRECTORY = 1;

export interface Dentry {
  readonly fsId: number;
  readonly inodeId: bigint;
  readonly parentInodeId: bigint;
  readonly name: string;
  readonly txId: bigint;
  readonly flag: number;
  readonly type: number;
}

export interface DentryPage {
  readonly txId: bigint;
  readonly last: string;
  /** 0: no limit. */
  readonly count: number;
  readonly onlyDir: boolean;
}

export class DentryTable {
  /** Directory → name → its states by ascending txId. */
  readonly #directories = new Map<string, Map<string, Dentry[]>>();
  /** Directory → names in byte order; made again when a name comes or goes. */
  readonly #sorted = new Map<string, readonly string[]>();

  put(dentry: Dentry): void {
    const key = `${dentry.fsId}/${dentry.parentInodeId}`;
    const names = this.#directories.get(key) ?? new Map<string, Dentry[]>();
    this.#directories.set(key, names);
    const states = (names.get(dentry.name) ?? []).filter(({ txId }) => txId !== dentry.txId);
    if (states.length === 0) this.#sorted.delete(key);
    names.set(
      dentry.name,
      [...states, dentry].sort((a, b) => Number(a.txId - b.txId)),
    );
  }

  /** As a rename leaves it: gone for those who see `txId`, there for those who do not. */
  mark(dentry: Omit<Dentry, 'flag'>): void {
    this.put({ ...dentry, flag: DELETE_MARK });
  }

  remove(fsId: number, parentInodeId: bigint, name: string): void {
    const key = `${fsId}/${parentInodeId}`;
    this.#directories.get(key)?.delete(name);
    this.#sorted.delete(key);
  }

  list(fsId: number, parentInodeId: bigint, page: DentryPage): Dentry[] {
    const key = `${fsId}/${parentInodeId}`;
    const names = this.#directories.get(key);
    if (names === undefined) return [];
    const sorted = this.#sorted.get(key) ?? [...names.keys()].sort(byBytes);
    this.#sorted.set(key, sorted);
    const found: Dentry[] = [];
    // With onlyDir a page counts what was looked at: it may be short without being the last one.
    let seen = 0;
    for (let at = firstAfter(sorted, page.last); at < sorted.length; at++) {
      if (page.count > 0 && seen >= page.count) break;
      const states = names.get(sorted[at] ?? '') ?? [];
      const visible = states.filter(({ txId }) => txId <= page.txId).at(-1);
      if (visible === undefined || (visible.flag & DELETE_MARK) !== 0) continue;
      seen++;
      if (!page.onlyDir || visible.type === DIRECTORY) found.push(visible);
    }
    return found;
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The first position whose name is behind `last`. */
function firstAfter(sorted: readonly string[], last: string): number {
  if (last === '') return 0;
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byBytes(sorted[middle] ?? '', last) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
