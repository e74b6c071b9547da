/**
 * gc: compares a bucket with the metadata and reports what nothing references, what is missing and what is too short. The
 * backstop for what no reap record covers (I12). It deletes only when asked, only what two looks at least lease + grace apart
 * found unreferenced, at one incarnation of the metadata server, that is older than the minimum age by the store's clock and by
 * ours, and that no reap record covers. What belongs to an inode that cannot be read stays (I10). Doubt about the walk ends it.
 */
import { CompactError, throwIfCancelled } from '../errors.ts';
import { namesBegin, OWN_NAMES, objectName, parseObjectName } from '../format.ts';
import { SUSPECTS_MAX, type Suspect } from '../ledger.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import type { Filesystem, InodeKey } from '../model.ts';
import type { ListedObject, ObjectStore, ObjectStores } from '../objects/port.ts';
import { stopGuard } from '../reap/delete-guard.ts';
import { isReusable } from '../reap/referenced-objects.ts';
import { elapsed, type LedgerMs, wallMs } from '../time.ts';
import { coveredNames, type Deletable, deleteOrphans, type PassDeps, sameFilesystem } from './delete.ts';
import { type InodePart, isMalformed, PartExaminer, type PartFindings } from './examine.ts';
import { type GcReport, GcTally } from './report.ts';

/** Objects of one inode that are looked at together: memory is bounded by this. */
const PART_OBJECTS_MAX = 10_000;
/** Unreferenced objects for which the reap records are read once. */
const UNREFERENCED_BATCH = 10_000;
/** Pages after which the position is kept though unreferenced objects wait: each time the records are read for them. */
const POSITION_PAGES_MAX = 50;
/** So many inodes in a row that cannot be asked for end the pass: each may have taken all retries (I8). */
const AWAY_MAX = 10;
/** With fewer objects than this a bucket full of orphans may just be a small one. */
const REFUSE_OBJECTS_MIN = 100;

export interface GcDeps extends PassDeps {
  readonly objects: ObjectStores;
}

interface GcProgress {
  readonly objects: number;
  readonly leaked: number;
}

export interface GcOptions {
  readonly graceMs: number;
  readonly leaseMs: number;
  /** Longer than lease + grace (I11). */
  readonly minAgeMs: number;
  readonly delete: boolean;
  /** Deletes objects, too, whose inode the metadata does not have: removed there, or never its own (docs/adr/0019). */
  readonly inodeless?: boolean;
  readonly deletesMax: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: GcProgress) => void;
}

/** One pass over the bucket of a file system, and the deletes that it allows. Throws CompactError when it cannot be listed. */
export async function collectGarbage(fsId: number, deps: GcDeps, options: GcOptions): Promise<GcReport> {
  const filesystem = await requireFilesystem(deps.metadata, fsId);
  const pass = new Pass(filesystem, deps, options);
  await pass.run();
  return pass.finish();
}

/** Unreferenced objects that wait for a look at the reap records. */
interface Unreferenced extends Deletable {
  /** The ledger's clock after the lists were read. */
  readonly readMs: LedgerMs;
  /** The metadata does not have its inode. */
  readonly inodeless: boolean;
}

class Pass {
  readonly #filesystem: Filesystem;
  readonly #store: ObjectStore;
  readonly #deps: GcDeps;
  readonly #options: GcOptions;
  readonly #tally = new GcTally();
  readonly #examiner: PartExaminer;
  #suspects: ReadonlyMap<string, Suspect> = new Map();
  #noted = 0;
  /** Noted names that the pass has not come across. */
  readonly #unseen = new Set<string>();
  #pagesSincePosition = 0;
  #awayInARow = 0;
  #deletable: Deletable[] = [];
  #unreferenced: Unreferenced[] = [];
  /** Of this pass and of the interrupted one before it. */
  #counts = { objects: 0, leaked: 0, failures: 0 };
  /** The longest that is known. */
  #graceMs: number;

  constructor(filesystem: Filesystem, deps: GcDeps, options: GcOptions) {
    this.#filesystem = filesystem;
    this.#store = deps.objects.forFilesystem(filesystem);
    this.#deps = deps;
    this.#options = options;
    this.#graceMs = options.graceMs;
    const { metadata, nowMs } = deps;
    this.#examiner = new PartExaminer({ metadata, nowMs, filesystem, objects: this.#store });
  }

  async run(): Promise<void> {
    const { book } = this.#deps;
    this.#suspects = await book.suspects();
    this.#noted = this.#suspects.size;
    for (const name of this.#suspects.keys()) this.#unseen.add(name);
    const position = await book.position();
    this.#tally.found.resumed = position !== null;
    const { after, ...counts } = position ?? { after: undefined, ...this.#counts };
    this.#counts = counts;
    await this.#list(after);
    // What others have deleted would fill the book; only a whole pass knows that it is gone.
    if (position === null && this.#unseen.size > 0) await book.forget([...this.#unseen]);
    await book.setPosition(null);
  }

  /** Page by page; whatever has been judged is behind the position that is kept. */
  async #list(from: string | undefined): Promise<void> {
    let after = from;
    let open: { key: InodeKey; objects: ListedObject[]; after?: string } | undefined;
    for (let more = true; more; ) {
      this.#throwIfStopped();
      const page = await this.#store.list(after, this.#options.signal);
      for (const object of page.objects) {
        after = object.name;
        this.#unseen.delete(object.name);
        const key = this.#inodeOf(object);
        if (key === null) continue;
        const same = open !== undefined && open.key.inodeId === key.inodeId;
        if (open !== undefined && (!same || open.objects.length >= PART_OBJECTS_MAX)) {
          const until = open.objects.at(-1)?.name;
          await this.#examine({ ...open, ...(same && until !== undefined ? { until } : {}) });
          open = same && until !== undefined ? { key, objects: [], after: until } : undefined;
        }
        open ??= { key, objects: [], ...this.#partBegun(key, from) };
        open.objects.push(object);
      }
      ({ more } = page);
      // An inode that is open is listed again from its first object.
      const before = open === undefined ? after : (open.after ?? namesBegin(open.key, this.#filesystem.objectPrefix));
      if (more) await this.#keepPosition(before);
    }
    if (open !== undefined) await this.#examine(open);
    await this.#judgeUnreferenced();
  }

  #throwIfStopped(): void {
    const message = `the gc of file system ${this.#filesystem.fsId} was stopped; the next one goes on where it was`;
    throwIfCancelled(this.#options.signal, message);
  }

  /** Where the inode was left by a pass that was interrupted inside it. */
  #partBegun(key: InodeKey, from: string | undefined): { readonly after?: string } {
    const left = from === undefined ? null : parseObjectName(from)?.key;
    return from !== undefined && left?.inodeId === key.inodeId && left.fsId === key.fsId ? { after: from } : {};
  }

  async #keepPosition(after: string | undefined): Promise<void> {
    const { objects, leaked } = this.#counts;
    this.#options.onProgress?.({ objects, leaked });
    if (after === undefined) return;
    if (++this.#pagesSincePosition < POSITION_PAGES_MAX && this.#unreferenced.length > 0) return;
    await this.#judgeUnreferenced();
    this.#pagesSincePosition = 0;
    await this.#deps.book.setPosition({ after, ...this.#counts });
  }

  /** The inode that the name is of, in this file system's own form; what is not ours is counted and left alone. */
  #inodeOf(object: ListedObject): InodeKey | null {
    const parsed = parseObjectName(object.name);
    const { fsId, objectPrefix } = this.#filesystem;
    if (object.name.startsWith(OWN_NAMES)) this.#tally.object('own', object, 0);
    else if (parsed !== null && parsed.key.fsId !== fsId) this.#tally.object('other', object, 0);
    else if (parsed === null || objectName(parsed.key, parsed.object, objectPrefix) !== object.name) {
      this.#tally.object('unknown', object, 0);
    } else return parsed.key;
    return null;
  }

  async #examine(part: InodePart): Promise<void> {
    this.#throwIfStopped();
    this.#counts.objects += part.objects.length;
    try {
      await this.#take(part.key, await this.#examiner.examine(part));
      this.#awayInARow = 0;
    } catch (error) {
      if (!(error instanceof CompactError) || !isOfOneInode(error)) throw error;
      this.#awayInARow = error.kind === 'retry' ? this.#awayInARow + 1 : 0;
      if (this.#awayInARow >= AWAY_MAX) throw error;
      this.#tally.failure(error.withInode(part.key));
      this.#counts.failures++;
      for (const object of part.objects) this.#tally.object('unjudged', object, 0);
    }
    if (this.#unreferenced.length >= UNREFERENCED_BATCH) await this.#judgeUnreferenced();
  }

  /** I7: what is unreferenced counts from after the lists were read. */
  async #take(key: InodeKey, findings: PartFindings): Promise<void> {
    const { referenced, unreferenced, faults, incarnation, readMs } = findings;
    const inodeless = unreferenced.length > 0 && (await this.#deps.metadata.getInode(key)) === null;
    for (const fault of faults) this.#tally.fault(fault);
    for (const object of referenced) this.#tally.object('referenced', object, wallMs(readMs) - object.modifiedMs);
    const again = referenced.map(({ name }) => name).filter((name) => this.#suspects.has(name));
    if (again.length > 0) await this.#deps.book.forget(again);
    for (const object of unreferenced) this.#unreferenced.push({ key, object, incarnation, readMs, inodeless });
  }

  /** The records are read after the lists: an attempt that wrote an object has recorded it before. */
  async #judgeUnreferenced(): Promise<void> {
    const batch = this.#unreferenced;
    this.#unreferenced = [];
    if (batch.length === 0) return;
    const names = batch.map(({ object }) => object.name);
    const covered = await coveredNames(names, this.#deps.records);
    this.#graceMs = Math.max(this.#graceMs, covered.graceMs);
    // I10: lists that were read of a file system which is gone by now say nothing.
    await sameFilesystem({ metadata: this.#deps.metadata, filesystem: this.#filesystem });
    const notes = new Map<string, Suspect>();
    /** Never to be deleted by this pass: they would take the places of others in the book. */
    const unfit: string[] = [];
    for (const one of batch) {
      const { object, readMs } = one;
      const ageMs = wallMs(readMs) - object.modifiedMs;
      if (covered.names.has(object.name)) this.#tally.object('pending', object, ageMs);
      else if (ageMs < this.#options.minAgeMs) this.#tally.object('young', object, ageMs);
      else {
        this.#counts.leaked++;
        this.#tally.object(one.inodeless ? 'inodeless' : 'leaked', object, ageMs);
        const kept = one.inodeless && this.#options.inodeless !== true;
        if (kept || isReusable(object.name, this.#filesystem)) unfit.push(object.name);
        else this.#suspect(one, notes);
      }
    }
    if (notes.size > 0) await this.#deps.book.note(notes);
    // Whatever was noted counts only from when the ids have passed these, or the flag is given.
    const again = unfit.filter((name) => this.#suspects.has(name));
    if (again.length > 0) await this.#deps.book.forget(again);
    this.#noted -= again.length;
  }

  /** A first look is noted; a second one, late enough and at the same server, makes it ripe. */
  #suspect({ key, object, incarnation, readMs }: Unreferenced, notes: Map<string, Suspect>): void {
    const noted = this.#suspects.get(object.name);
    const firstMs = noted?.firstMs ?? noted?.sinceMs ?? readMs;
    if (noted !== undefined && noted.incarnation === incarnation) {
      if (elapsed(noted.sinceMs, readMs) < this.#options.leaseMs + this.#graceMs) return;
      // The store's clock may be wrong: by ours the object must have been there as long.
      if (elapsed(firstMs, readMs) < this.#options.minAgeMs) return;
      this.#tally.found.ripe++;
      // Only what was noted gets here: at most SUSPECTS_MAX.
      this.#deletable.push({ key, object, incarnation });
      return;
    }
    if (noted === undefined && this.#noted >= SUSPECTS_MAX) {
      this.#tally.found.bookFull = true;
      return;
    }
    if (noted === undefined) this.#noted++;
    notes.set(object.name, { sinceMs: readMs, incarnation, firstMs });
  }

  async finish(): Promise<GcReport> {
    if (!this.#options.delete) return this.#tally.report();
    const refused = this.#refusal();
    if (refused !== undefined) return { ...this.#tally.report(), refused };
    const stopped = await this.#deleteOrphans();
    return { ...this.#tally.report(), stopped };
  }

  /** What stopped the deletes is reported with what was found and deleted until then. */
  async #deleteOrphans(): Promise<string | undefined> {
    const [store, filesystem, tally] = [this.#store, this.#filesystem, this.#tally];
    const { deletesMax, inodeless = false, signal } = this.#options;
    const stop = signal === undefined ? [] : [stopGuard(signal)];
    const deps = { ...this.#deps, guards: [...stop, ...(this.#deps.guards ?? [])] };
    try {
      await deleteOrphans(this.#deletable, { ...deps, store, filesystem, tally, deletesMax, inodeless });
      return undefined;
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      return error.message;
    }
  }

  /** Why nothing may be deleted now. */
  #refusal(): string | undefined {
    const { objects, leaked } = this.#counts;
    const all = objects > 0 && leaked === objects;
    const most = objects >= REFUSE_OBJECTS_MIN && 2 * leaked > objects;
    if (!all && !most) return undefined;
    return `nothing references ${leaked} of the ${objects} objects: that looks like the wrong metadata store (METADATA_URL, METADATA_PREFIX) or a bucket that is shared, not like orphans`;
  }
}

/** Damage of one inode, or a store or server that was away for a moment; anything else concerns them all. */
function isOfOneInode(error: CompactError): boolean {
  return (
    isMalformed(error) || (error.kind === 'retry' && error.code !== 'cancelled' && error.code !== 'queue-unavailable')
  );
}
