/**
 * The processes under test: compactors and reapers that run the real code of src/ through ports in memory. Every call
 * goes through the scheduler, where it waits and where faults strike. They hold no policy of their own: what a queue
 * would do with an ending is the script's and the play's business.
 */

import { AttemptIds } from '../../../src/compact/attempt.ts';
import { type CompactLimits, type CompactResult, compactInode } from '../../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../../src/compact/memory-budget.ts';
import { CompactError } from '../../../src/errors.ts';
import { collectGarbage, type GcOptions } from '../../../src/gc/gc.ts';
import type { GcReport } from '../../../src/gc/report.ts';
import type { MetadataStore } from '../../../src/metadata/port.ts';
import type { ObjectStore, ObjectStores } from '../../../src/objects/port.ts';
import { storesWithRetries } from '../../../src/objects/retrying-store.ts';
import { Ownership } from '../../../src/reap/bucket-owner.ts';
import type { DeleteGuard } from '../../../src/reap/delete-guard.ts';
import { Holds, SETTLE_MS } from '../../../src/reap/holds.ts';
import { reapRecord } from '../../../src/reap/reap-record.ts';
import type { LedgerMs } from '../../../src/time.ts';
import { storeFault } from '../../objects/memory-store.ts';
import { MemoryGcBook } from '../memory-gc-book.ts';
import { MemoryLedger } from '../memory-ledger.ts';
import type { Judge } from './judge.ts';
import { SimProcess } from './scheduler.ts';
import { CLOCK_STEP_MAX_MS } from './script.ts';
import { BUCKET, OWNER, type SimFile, type Stage } from './stage.ts';

/** What a process works for: the file system, or a copy of its metadata. */
type Site = Pick<Stage, 'metadata' | 'ledger' | 'gcBook' | 'installation'>;

interface RunOptions {
  readonly site?: Site;
  /** The process's clock against true time. */
  readonly rate?: number;
}

/** Tries of one S3 request. */
const TRIES_MAX = 3;

/** The real ids, of each of which the judge is told. */
class TellingIds extends AttemptIds {
  readonly #tell: (attempt: bigint) => void;

  constructor(random: (below: number) => number, tell: (attempt: bigint) => void) {
    super(random);
    this.#tell = tell;
  }

  override next(nowMs: LedgerMs): bigint {
    const attempt = super.next(nowMs);
    this.#tell(attempt);
    return attempt;
  }
}

export class Workers {
  readonly #stage: Stage;
  readonly #judge: Judge;
  #count = 0;

  constructor(stage: Stage, judge: Judge) {
    this.#stage = stage;
    this.#judge = judge;
  }

  /** One run over one inode; `null` when it threw or its process is gone. */
  async compact(file: SimFile, limits: CompactLimits, options: RunOptions = {}): Promise<CompactResult | null> {
    const { site = this.#stage, rate = 1 } = options;
    const process = this.#process('compactor', rate);
    const { random } = this.#stage.scheduler;
    const fenced = this.#stage.metadata.order === 'arrival';
    const number = this.#count;
    const run = compactInode(
      file.key,
      {
        metadata: this.#metadata(process, site),
        objects: this.#objects(process, site),
        ...(this.#stage.owned ? { requireOwner: (fs) => this.#ownership(process, site).require(fs) } : {}),
        ledger: new MemoryLedger(site.ledger, process),
        clock: process.clock,
        memory: new MemoryBudget(1 << 20),
        // Without a fence nobody tells that a number was drawn twice in one millisecond (ADR 10).
        attemptIds: new TellingIds(
          (below) => (fenced ? random.below(below) : number % below),
          (attempt) => this.#judge.attemptDrawn(process, attempt),
        ),
      },
      { limits },
    );
    const result = await this.#endOf(process, run);
    if (!process.gone && site === this.#stage) this.#judge.runEnded(process, result);
    return result;
  }

  /** One look at the record; `false` when it is gone by then. */
  async reap(recordId: string, graceMs: number, site: Site = this.#stage): Promise<boolean> {
    const { ledger } = site;
    const record = ledger.records.get(recordId);
    if (record === undefined) return false;
    const process = this.#process('reaper', 1);
    ledger.take(recordId);
    const metadata = this.#metadata(process, site);
    const look = reapRecord(record, {
      metadata,
      objects: this.#objects(process, site),
      nowMs: () => new MemoryLedger(ledger, process).nowMs(),
      graceMs,
      guards: this.#guards(process, site, metadata),
    });
    const verdict = await this.#endOf(process, look);
    if (process.gone) return true;
    ledger.leave(recordId);
    if (verdict === null || !ledger.records.has(recordId)) return true;
    if (verdict.kind === 'done') ledger.delete(recordId);
    else ledger.set(recordId, verdict.record);
    return true;
  }

  /** One pass over the bucket; `null` when it threw or its process is gone. */
  async gc(options: Omit<GcOptions, 'deletesMax'>, site: Site = this.#stage): Promise<GcReport | null> {
    const process = this.#process('garbage collector', 1);
    const { filesystem } = this.#stage;
    const { ledger, gcBook } = site;
    const records = new MemoryLedger(ledger, process);
    const metadata = this.#metadata(process, site);
    const pass = collectGarbage(
      filesystem.fsId,
      {
        metadata,
        objects: this.#objects(process, site),
        records,
        book: new MemoryGcBook(gcBook, process),
        nowMs: () => records.nowMs(),
        guards: this.#guards(process, site, metadata),
      },
      { inodeless: true, ...options, deletesMax: 1_000 },
    );
    return this.#endOf(process, pass);
  }

  /** `s3compact hold`, by an operator whose process and requests can fail like any other. */
  async hold(forMs: number | undefined): Promise<void> {
    const process = this.#process('operator', 1);
    const { scheduler, filesystem } = this.#stage;
    const beganMs = scheduler.nowMs;
    const request = { reason: 'backup', by: process.name, ...(forMs === undefined ? {} : { forMs }) };
    const made = await this.#endOf(process, this.#holdsOf(process).make(filesystem, request));
    if (made === null || process.gone) return;
    const untilMs = forMs === undefined ? Number.POSITIVE_INFINITY : beganMs + SETTLE_MS + forMs - CLOCK_STEP_MAX_MS;
    this.#judge.holdBegins(made.id, untilMs);
  }

  /** The hold that is listed first. */
  async release(): Promise<boolean> {
    const process = this.#process('operator', 1);
    const { filesystem } = this.#stage;
    const holds = this.#holdsOf(process);
    const [first] = (await this.#endOf(process, holds.list(filesystem))) ?? [];
    if (first === undefined || process.gone) return false;
    this.#judge.holdEnds(first.id);
    return (await this.#endOf(process, holds.release(filesystem, first.id))) ?? false;
  }

  async releaseAll(): Promise<void> {
    while (this.#stage.holds && (await this.release()));
  }

  #holdsOf(process: SimProcess): Holds {
    const { scheduler, ledger } = this.#stage;
    return new Holds({
      objects: this.#objects(process, this.#stage),
      nowMs: () => new MemoryLedger(ledger, process).nowMs(),
      hostNowMs: () => scheduler.nowMs,
      clock: process.clock,
      newId: () => `${scheduler.random.below(1 << 30)}`.padStart(12, '0'),
    });
  }

  #process(name: string, rate: number): SimProcess {
    return new SimProcess(`${name}-${this.#count++}`, this.#stage.scheduler, { tested: true, rate });
  }

  /** Ends with the run or with its process; only our own errors are a way to end. */
  async #endOf<T>(process: SimProcess, run: Promise<T>): Promise<T | null> {
    try {
      return await Promise.race([run, process.died.then(() => null)]);
    } catch (error) {
      if (!(error instanceof CompactError)) this.#judge.fail(`${process.name} threw ${String(error)}`);
      else this.#stage.scheduler.note(`${process.name} ends: ${error.code}`);
      return null;
    }
  }

  /** Makes the bucket ours, as the first worker does. */
  async claim(): Promise<void> {
    const process = new SimProcess('first', this.#stage.scheduler, { tested: false, rate: 1 });
    await this.#ownership(process, this.#stage).require(this.#stage.filesystem);
  }

  #guards(process: SimProcess, site: Site, metadata: MetadataStore): readonly DeleteGuard[] {
    const primary: DeleteGuard = ({ looks }) => metadata.confirmPrimary(looks);
    return [
      ...(this.#stage.owned ? [this.#ownership(process, site).guard] : []),
      primary,
      ...(this.#stage.holds ? [this.#holdsOf(process).guard] : []),
    ];
  }

  #ownership(process: SimProcess, site: Site): Ownership {
    const metadata = site.metadata.connect(process);
    return new Ownership({
      storeId: metadata.storeId,
      objects: this.#objects(process, site),
      installation: site.installation,
      addresses: [site === this.#stage ? 'metadata:6379' : 'copy:6379'],
      server: (fsId) => metadata.incarnation({ fsId, inodeId: 0n }),
      monotonicMs: () => process.clock.monotonicMs(),
    });
  }

  /** While a demoted primary goes on answering, half of the processes ask it. */
  #metadata(process: SimProcess, { metadata }: Site): MetadataStore {
    const asksDemoted = this.#stage.demotes && this.#stage.scheduler.random.below(2) === 0;
    return metadata.connect(process, () => Number(process.clock.monotonicMs()), asksDemoted);
  }

  #objects(process: SimProcess, site: Site): ObjectStores {
    const { random } = this.#stage.scheduler;
    return storesWithRetries(this.#stores(process, site), {
      clock: process.clock,
      triesMax: TRIES_MAX,
      random: () => random.unit(),
    });
  }

  #stores(process: SimProcess, site: Site): ObjectStores {
    const { untrue, stores } = this.#stage;
    const store = this.#stage.stores.forFilesystem(this.#stage.filesystem);
    const judge = this.#judge;
    const through: ObjectStore = {
      getWhole: (...args) => process.cross('objects.get', () => store.getWhole(...args)),
      getRange: (name, offset, target) =>
        process.cross('objects.get', () => store.getRange(name, offset, target), {
          missing: () => {
            throw storeFault('object-missing');
          },
          short: () => {
            throw storeFault('object-short');
          },
        }),
      putIfAbsent: (name, body) => {
        // What is on its way is a copy: the caller may use its buffer again.
        const sent = Uint8Array.from(body);
        if (name.startsWith(OWNER)) return process.cross('objects.put', () => store.putIfAbsent(name, sent));
        if (site !== this.#stage) judge.lost([name], 'workers on a copy of the metadata put it');
        else judge.putSent(process, name);
        const put = async () => {
          const outcome = await store.putIfAbsent(name, sent);
          if (outcome === 'created' && site === this.#stage) judge.put(name, process);
          return outcome;
        };
        return process.cross('objects.put', put, {
          untrue: () => {
            if (!stores.bucket(BUCKET).has(name)) untrue.set(name, sent);
            return 'created';
          },
        });
      },
      head: (name) => process.cross('objects.head', () => store.head(name), { missing: () => null }),
      list: (after, signal, prefix) =>
        process.cross('objects.list', () => store.list(after, signal, prefix), {
          untrue: () => ({ objects: [], more: false }),
        }),
      delete: (names) => {
        judge.deleteSent(process);
        return process.cross(
          'objects.delete',
          () => {
            judge.deletes(names);
            return store.delete(names);
          },
          {
            untrue: () => {
              judge.lost(names, 'its delete was acknowledged and not done');
              return [];
            },
          },
        );
      },
    };
    return { forFilesystem: () => through, close: () => undefined };
  }
}
