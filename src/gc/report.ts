/**
 * What a pass of gc found, counted: by reason and by age, with a few examples of each. It only counts, and its memory
 * does not grow with the bucket.
 */
import type { CompactError } from '../errors.ts';

/**
 * referenced: a list references it. pending: a reap record covers it. young: nothing references it, and it may be being written.
 * leaked: nothing references it. inodeless: nothing references it, and the metadata has no such inode. unjudged: its inode could not
 * be read. unknown: not a name of this layout. other: another file system's. own: s3compact's own.
 */
export const REASONS = [
  ...(['referenced', 'pending', 'young', 'leaked', 'inodeless', 'unjudged', 'unknown', 'other', 'own'] as const),
] as const;
export type GcReason = (typeof REASONS)[number];

const HOUR_MS = 3_600_000;
/** Upper ends of the classes of age, ms. */
const AGES = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS, month: 30 * 24 * HOUR_MS } as const;
export const AGE_CLASSES = [...(Object.keys(AGES) as (keyof typeof AGES)[]), 'older'] as const;
type AgeClass = (typeof AGE_CLASSES)[number];

/** Examples kept of each reason, faults and failures. */
const EXAMPLES_MAX = 20;
const FAULTS_MAX = 1_000;

interface ObjectCount {
  readonly objects: number;
  readonly bytes: number;
}

/** A referenced object that is not there, or has too few bytes. */
export interface ObjectFault {
  readonly inodeId: string;
  readonly object: string;
  readonly reason: 'missing' | 'short';
  readonly bytes: number;
  readonly neededBytes: number;
}

export interface GcReport {
  readonly counts: Readonly<Record<GcReason, ObjectCount>>;
  /** By age class (until an hour, a day, a week, a month, older); absent classes are empty. */
  readonly ages: Readonly<Record<GcReason, Readonly<Partial<Record<AgeClass, ObjectCount>>>>>;
  /** Some names of each reason but `referenced`. */
  readonly examples: Readonly<Partial<Record<GcReason, readonly string[]>>>;
  readonly faults: readonly ObjectFault[];
  readonly faultsTotal: number;
  /** Leaked objects that a second look may delete now. */
  readonly ripe: number;
  readonly deleted: ObjectCount;
  /** Ripe objects that stay because their inode is in quarantine. */
  readonly quarantined: number;
  /** Inodes that could not be judged, whose objects stay, and why, for some. */
  readonly failures: number;
  readonly failureExamples: readonly string[];
  /** More leaked objects than can be noted: another pass goes on. */
  readonly bookFull: boolean;
  /** The pass began where an interrupted one had stopped. */
  readonly resumed: boolean;
  /** Why nothing was deleted although it was asked for. */
  readonly refused?: string;
  /** Why the deletes ended before all that was ripe was looked at; `deleted` counts what went until then. */
  readonly stopped?: string;
}

export class GcTally {
  readonly #counts = new Map<GcReason, { objects: number; bytes: number }>();
  readonly #ages = new Map<string, { objects: number; bytes: number }>();
  readonly #examples = new Map<GcReason, string[]>();
  /** As it is reported. */
  readonly found = {
    faults: [] as ObjectFault[],
    faultsTotal: 0,
    ripe: 0,
    deleted: { objects: 0, bytes: 0 },
    quarantined: 0,
    failures: 0,
    failureExamples: [] as string[],
    bookFull: false,
    resumed: false,
  };

  object(reason: GcReason, object: { readonly name: string; readonly bytes: number }, ageMs: number): void {
    bump(this.#counts, reason, object.bytes);
    bump(this.#ages, `${reason} ${ageClass(ageMs)}`, object.bytes);
    if (reason === 'referenced') return;
    const examples = this.#examples.get(reason) ?? [];
    if (examples.length < EXAMPLES_MAX) examples.push(object.name);
    this.#examples.set(reason, examples);
  }

  fault(fault: ObjectFault): void {
    this.found.faultsTotal++;
    if (this.found.faults.length < FAULTS_MAX) this.found.faults.push(fault);
  }

  failure(error: CompactError): void {
    this.found.failures++;
    if (this.found.failureExamples.length < EXAMPLES_MAX) this.found.failureExamples.push(error.message);
  }

  report(): GcReport {
    const none = { objects: 0, bytes: 0 };
    const byReason = <T>(of: (reason: GcReason) => T): Record<GcReason, T> =>
      Object.fromEntries(REASONS.map((reason) => [reason, of(reason)])) as Record<GcReason, T>;
    const agesOf = (reason: GcReason): Partial<Record<AgeClass, ObjectCount>> =>
      Object.fromEntries(
        AGE_CLASSES.map((age) => [age, this.#ages.get(`${reason} ${age}`)]).filter(([, count]) => count !== undefined),
      );
    return {
      counts: byReason((reason) => this.#counts.get(reason) ?? none),
      ages: byReason(agesOf),
      examples: Object.fromEntries(this.#examples),
      ...this.found,
    };
  }
}

function bump<K>(counts: Map<K, { objects: number; bytes: number }>, key: K, bytes: number): void {
  const count = counts.get(key) ?? { objects: 0, bytes: 0 };
  count.objects++;
  count.bytes += bytes;
  counts.set(key, count);
}

function ageClass(ageMs: number): AgeClass {
  for (const [name, untilMs] of Object.entries(AGES)) if (ageMs < untilMs) return name as AgeClass;
  return 'older';
}
