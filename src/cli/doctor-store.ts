/**
 * What `doctor` finds out about a store: what its bucket is set to, and, only when asked with --write, whether it does all
 * that s3compact does with objects. Apart from the other checks because scripts/try-store.ts runs them, too. What it writes
 * has names of its own that no file system makes (docs/format.md), and it deletes nothing else.
 */
import { randomBytes } from 'node:crypto';
import { CompactError } from '../errors.ts';
import { holdNamesBegin, OWN_NAMES } from '../format.ts';
import type { Filesystem } from '../model.ts';
import type { BucketSettings, LifecycleRule, ObjectStore, StoreCapability } from '../objects/port.ts';
import { WITHOUT } from '../objects/s3/capabilities.ts';
import { plural } from '../view/words.ts';
import { type Check, type Found, failed, failureFound, ok, warning } from './doctor-check.ts';

/** More than one packet, and quickly sent. */
const BODY_BYTES = 64 * 1024;
const RANGE = { from: 1_000, bytes: 5_000 } as const;

const NOT_FIT = 'do not use this store before that is mended: files would read wrong, or lose objects';

const UNKNOWN: Found = { status: 'unknown', found: 'the store does not say, or not to these keys' };

/** Versioning, object lock and lifecycle rules of the bucket. */
export async function settingsChecks(filesystem: Filesystem, store: ObjectStore): Promise<readonly Check[]> {
  const found = await store.diagnosis?.()?.settings();
  if (found === undefined) return [];
  return [
    { check: 'versioning', ...versioningFound(found) },
    { check: 'object lock', ...lockFound(found) },
    { check: 'lifecycle', ...lifecycleFound(filesystem, found) },
  ];
}

function versioningFound({ versioning, lifecycle }: BucketSettings): Found {
  if (versioning === 'unknown') return UNKNOWN;
  if (versioning === 'off') return ok('off: what is deleted is gone');
  const isTaken = lifecycle !== 'unknown' && lifecycle.some((rule) => rule.expiresOldVersions);
  const found = `${versioning}: what was written with it on is kept as an old version when it is deleted`;
  if (isTaken) return ok(`${found}, and a lifecycle rule takes old versions`);
  return warning(found, 'deletes reclaim no space: add a lifecycle rule with NoncurrentVersionExpiration');
}

function lockFound({ lock }: BucketSettings): Found {
  if (lock === 'unknown') return UNKNOWN;
  if (lock === 'off') return ok('off');
  if (lock === 'on') return ok('on, and locks no object by itself');
  return warning(
    'on, and locks each new object for a time',
    'replaced objects keep their space until their retention ends',
  );
}

function lifecycleFound({ fsId }: Filesystem, { lifecycle }: BucketSettings): Found {
  if (lifecycle === 'unknown') return UNKNOWN;
  const ours = lifecycle.filter((rule) => takesNamesOf(fsId, rule));
  const taking = ours.filter(({ expires }) => expires);
  if (taking.length > 0)
    return failed(
      `the store deletes objects of file systems by itself: ${idsOf(taking)}`,
      'files lose their data when an object is old enough: take these rules away, or restrict them to other names',
    );
  const moving = ours.filter(({ moves }) => moves);
  if (moving.length > 0)
    return warning(
      `the store moves objects to other storage classes: ${idsOf(moving)}`,
      'a class that cannot be read at once (Glacier) makes files unreadable',
    );
  if (lifecycle.length === 0) return ok('there are no rules');
  return ok(`none of ${plural(lifecycle.length, 'rule')} takes objects of this file system`);
}

/** Its names begin with `F_` or `F/` (docs/format.md), one object says whose they are, and one stands for each hold. */
function takesNamesOf(fsId: number, { prefix, tagged }: LifecycleRule): boolean {
  if (tagged) return false;
  // What takes the owner's name takes those of holds, which begin with it.
  const begins = [`${fsId}_`, `${fsId}/`, holdNamesBegin(fsId)];
  return begins.some((begin) => begin.startsWith(prefix) || prefix.startsWith(begin));
}

function idsOf(rules: readonly LifecycleRule[]): string {
  const shown = rules.slice(0, 5).map(({ id, prefix }) => `rule "${id}" for ${prefix === '' ? 'all names' : prefix}`);
  return shown.join(', ') + (rules.length > shown.length ? `, and ${rules.length - shown.length} more` : '');
}

/** Puts, reads and deletes objects of its own; ends with what failed, and what it wrote is deleted whatever happens. */
export async function writeChecks(store: ObjectStore): Promise<readonly Check[]> {
  const trial = new Trial(store);
  const checks: Check[] = [];
  for (const [check, step] of trial.steps) {
    const found = await step().catch(failureFound);
    checks.push({ check, ...found });
    if (found.status === 'failed') break;
  }
  const left = await trial.clear();
  if (left.length > 0) {
    const found = warning(
      `${plural(left.length, 'object')} could not be deleted`,
      `delete by hand: ${left.join(', ')}`,
    );
    checks.push({ check: 'left', ...found });
  }
  return checks;
}

/** The objects of one trial. */
class Trial {
  readonly #store: ObjectStore;
  readonly #names = Array.from({ length: 3 }, ownName).sort();
  readonly #damaged = ownName();
  readonly #left = new Set<string>();
  #body = randomBytes(BODY_BYTES);

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** In this order: each needs those before. */
  get steps(): readonly (readonly [check: string, step: () => Promise<Found>])[] {
    return [
      ['put', () => this.#put()],
      ['condition', () => this.#condition()],
      ['range', () => this.#range()],
      ['head', () => this.#head()],
      ['list', () => this.#list()],
      ['checksum', () => this.#checksum()],
      ['delete', () => this.#delete()],
      ['forms', async () => formsFound(this.#store)],
    ];
  }

  async #put(): Promise<Found> {
    for (const name of this.#names) {
      this.#left.add(name);
      // A first try whose answer was lost makes `exists` of it: nobody else has such a name.
      await this.#store.putIfAbsent(name, this.#body);
    }
    return ok(`${plural(this.#names.length, 'object')} written`);
  }

  get #first(): string {
    return this.#names[0] ?? '';
  }

  /** Only a refused second write shows that the condition is honoured. */
  async #condition(): Promise<Found> {
    const other = randomBytes(BODY_BYTES);
    const outcome = await this.#store.putIfAbsent(this.#first, other);
    if (outcome === 'exists') return ok('If-None-Match is honoured: a taken name was not written again');
    this.#body = other;
    return warning(
      'If-None-Match is not honoured: a taken name was written again',
      'names of merged objects are unique all the same; never let another program write such names',
    );
  }

  async #range(): Promise<Found> {
    const target = Buffer.alloc(RANGE.bytes);
    await this.#store.getRange(this.#first, RANGE.from, target);
    if (target.equals(this.#body.subarray(RANGE.from, RANGE.from + RANGE.bytes)))
      return ok('a range of an object is what was written');
    return failed('a range of an object is not what was written there', NOT_FIT);
  }

  async #head(): Promise<Found> {
    const head = await this.#store.head(this.#first);
    if (head?.bytes !== BODY_BYTES)
      return failed(`an object of ${BODY_BYTES} bytes has ${head?.bytes ?? 'none'} by HEAD`, NOT_FIT);
    if (head.crc32 !== undefined) return ok('length and metadata are what was written');
    return warning(
      'the length is right; the metadata of objects is not given back',
      'after a lost answer to a PUT the object is read back instead',
    );
  }

  /** From a name on, as garbage collection lists; one that does not begin there is refused by the adapter. */
  async #list(): Promise<Found> {
    const { objects } = await this.#store.list(this.#first);
    const listed = objects.map(({ name }) => name);
    const isRight = this.#names.slice(1).every((name) => listed.includes(name));
    return isRight
      ? ok('a listing goes on from the name it is given')
      : failed('a listing from a name on does not have what was written behind it', NOT_FIT);
  }

  async #checksum(): Promise<Found> {
    this.#left.add(this.#damaged);
    const outcome = await this.#store.diagnosis?.()?.putDamaged(this.#damaged, this.#body);
    if (outcome === 'refused') return ok('a body with a wrong checksum is refused');
    if (outcome !== 'taken') return ok('bodies are signed with their SHA-256, not sent with a checksum');
    return warning(
      'a body with a wrong checksum is taken: the store does not compare',
      'AWS_REQUEST_CHECKSUM_CALCULATION=when_required signs bodies with their SHA-256, which costs CPU time',
    );
  }

  async #delete(): Promise<Found> {
    const [single, ...batch] = [...this.#left];
    if (single === undefined) return ok('nothing to delete');
    const deleteSingly = this.#store.diagnosis?.()?.deleteSingly ?? ((names) => this.#store.delete(names));
    const failures = [...(await deleteSingly([single])), ...(await this.#store.delete(batch))];
    const names = [single, ...batch];
    for (const name of names) if ((await this.#store.head(name)) === null) this.#left.delete(name);
    if (this.#left.size === 0 && failures.length === 0) return ok('objects are gone after a single and a batch delete');
    const codes = [...new Set(failures.map(({ code }) => code))].join(', ');
    const found = `${this.#left.size} of ${names.length} objects are still there${codes && `: ${codes}`}`;
    return failed(found, 'these keys need s3:DeleteObject');
  }

  /** What is still there after another try. */
  async clear(): Promise<readonly string[]> {
    const names = [...this.#left];
    if (names.length === 0) return [];
    try {
      return (await this.#store.delete(names)).map(({ name }) => name);
    } catch (thrown) {
      if (thrown instanceof CompactError) return names;
      throw thrown;
    }
  }
}

function ownName(): string {
  return `${OWN_NAMES}doctor-${randomBytes(8).toString('hex')}`;
}

function formsFound(store: ObjectStore): Found {
  const known = Object.entries(store.capabilities?.() ?? {}) as [StoreCapability, string][];
  const refused = known.filter(([, state]) => state === 'refused').map(([capability]) => WITHOUT[capability]);
  if (refused.length === 0) return ok('the store refuses no form of request that was tried');
  return { status: 'warning', found: `the store ${refused.join('; it ')}` };
}
