/**
 * Whose the objects of a file system are in its bucket (docs/adr/0019): object names say the number of a file system only, so
 * two metadata stores on one bucket would delete each other's objects. A small object in the bucket names the one owner; nothing
 * is compacted or deleted where it names another, until an operator adopts it. It must never replace an owner unasked.
 */
import { CompactError } from '../errors.ts';
import { ownerObjectName } from '../format.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import { later, type MonotonicMs } from '../time.ts';
import { parseNote, readNote } from './bucket-notes.ts';
import type { DeleteGuard } from './delete-guard.ts';

/** How long "it is ours" is believed: what another adopts is deleted from here no longer than this. */
export const OWNER_FRESH_MS = 60_000;
/** Owners that come and go while one is written, in a row. */
const TRIES_MAX = 5;

/** What the owner object holds, as JSON. */
interface BucketOwner {
  readonly fsId: number;
  readonly uuid: string;
  /** `MetadataStore.storeId`. */
  readonly store: string;
  /** Addresses under which the metadata servers were asked. */
  readonly addresses: readonly string[];
  /** Which life of the metadata server it was; absent where the service does not say. */
  readonly server?: string;
  /** Random text, kept beside the queue: workers that share a queue are one installation. */
  readonly installation: string;
}

/** What is remembered beside the queue. Errors are CompactError `queue-unavailable` (retry). */
export interface Installation {
  /** `null`: there is none yet, or the queue was lost. */
  id(): Promise<string | null>;
  /** The one there is, or a new one. */
  makeId(): Promise<string>;
  /** Ids of owners that were found to be ours all the same: of this queue before it was lost. */
  proven(): Promise<ReadonlySet<string>>;
  addProven(id: string): Promise<void>;
  /** The life of the metadata server that was last seen under the owner's addresses; `null`: none yet. */
  server(storeId: string): Promise<string | null>;
  setServer(storeId: string, server: string): Promise<void>;
}

interface OwnershipDeps {
  readonly storeId: string;
  readonly objects: ObjectStores;
  readonly installation: Installation;
  /** Of the metadata servers, as the settings name them. */
  readonly addresses: readonly string[];
  /** The life of the server that keeps the file system, another text for each; absent or `undefined`: it does not say. */
  readonly server?: (fsId: number) => Promise<string | undefined>;
  readonly monotonicMs: () => MonotonicMs;
}

/** `why` goes on from "the objects of file system 1 in bucket b belong to ". */
type OwnerFinding =
  | { readonly kind: 'own' }
  | { readonly kind: 'none' }
  | { readonly kind: 'other'; readonly why: string };

const UNREADABLE = 'an owner that this version cannot read';

/** Who we are, to one file system. */
interface Self extends Omit<BucketOwner, 'installation'> {
  readonly installation: string | null;
  readonly proven: ReadonlySet<string>;
  /** The server that was last seen under the addresses that own the bucket. */
  readonly serverBefore: string | null;
}

/** The owners of the file systems that a process works on; what was found to be ours is believed for a minute. */
export class Ownership {
  readonly #deps: OwnershipDeps;
  /** By bucket and file system; as many as there are file systems. */
  readonly #own = new Map<string, { readonly untilMs: MonotonicMs; readonly checked: Promise<void> }>();

  constructor(deps: OwnershipDeps) {
    this.#deps = deps;
  }

  /** As a guard before deletes. */
  readonly guard: DeleteGuard = ({ filesystem }) => this.require(filesystem);

  /** Resolves when the objects are ours, and makes them so when they are nobody's. Throws `bucket-owned` (halt). */
  async require(filesystem: Filesystem): Promise<void> {
    const id = JSON.stringify([filesystem.bucket, filesystem.fsId, filesystem.uuid]);
    const known = this.#own.get(id);
    const nowMs = this.#deps.monotonicMs();
    if (known !== undefined && nowMs < known.untilMs) return known.checked;
    const forget = () => this.#own.delete(id);
    const checked = this.#check(filesystem).then((lasting) => {
      // Where a server ignores the condition somebody may be claiming too: the next one to ask reads again.
      if (!lasting) forget();
    });
    checked.catch(forget);
    this.#own.set(id, { untilMs: later(nowMs, OWNER_FRESH_MS), checked });
    return checked;
  }

  /** Only looks. */
  async look(filesystem: Filesystem, signal?: AbortSignal): Promise<OwnerFinding> {
    const owner = await this.#read(filesystem, signal);
    if (owner === null) return { kind: 'none' };
    const why =
      owner === undefined
        ? UNREADABLE
        : whyAnother(owner, await this.#self(filesystem, await this.#deps.installation.id()));
    return why === null ? { kind: 'own' } : { kind: 'other', why };
  }

  /**
   * Throws `bucket-owned` (halt) where they are known to be another's. For those who need no bucket themselves: one that does
   * not answer before the signal says nothing, and nobody's objects stay so.
   */
  async refuseOther(filesystem: Filesystem, signal: AbortSignal): Promise<void> {
    try {
      const found = await this.look(filesystem, signal);
      if (found.kind === 'other') throw refusal(filesystem, found.why);
    } catch (error) {
      if (!(error instanceof CompactError) || error.code === 'bucket-owned') throw error;
    }
  }

  /** Makes the objects ours, whoever had them; answers who had. */
  async adopt(filesystem: Filesystem): Promise<OwnerFinding> {
    const before = await this.look(filesystem);
    if (before.kind === 'own') return before;
    const store = this.#deps.objects.forFilesystem(filesystem);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const [failure] = await store.delete([ownerObjectName(filesystem.fsId)]);
      if (failure !== undefined) {
        throw new CompactError(
          `the owner of file system ${filesystem.fsId} in bucket ${filesystem.bucket} could not be replaced (${failure.code}); allow deletes of objects whose names begin with s3compact-`,
          { kind: 'halt', code: 'store-refused' },
        );
      }
      await this.#claim(filesystem);
      if ((await this.look(filesystem)).kind === 'own') return before;
    }
    throw new CompactError(
      `file system ${filesystem.fsId} is being adopted by another one at the same time; nothing is deleted until one of them has it`,
      { kind: 'retry', code: 'bucket-owned' },
    );
  }

  /** Whether the answer may be believed for a while. */
  async #check(filesystem: Filesystem): Promise<boolean> {
    let owner = await this.#read(filesystem);
    const claims = owner === null;
    if (claims) {
      await this.#claim(filesystem);
      owner = await this.#read(filesystem);
    }
    const self = await this.#self(filesystem, await this.#deps.installation.makeId());
    const why = owner ? whyAnother(owner, self) : UNREADABLE;
    if (!owner || why !== null) throw refusal(filesystem, why ?? UNREADABLE);
    await this.#remember(owner, self);
    return !claims;
  }

  async #remember(owner: BucketOwner, self: Self): Promise<void> {
    const { installation } = this.#deps;
    if (!isInstallation(owner, self)) await installation.addProven(owner.installation);
    if (self.server !== undefined && self.server !== self.serverBefore && haveSameAddress(owner, self)) {
      await installation.setServer(self.store, self.server);
    }
  }

  async #claim(filesystem: Filesystem): Promise<void> {
    const self = await this.#self(filesystem, await this.#deps.installation.makeId());
    const { serverBefore: _, proven: __, ...owner } = self;
    const body = Buffer.from(`${JSON.stringify({ format: 1, ...owner }, null, 2)}\n`);
    await this.#deps.objects.forFilesystem(filesystem).putIfAbsent(ownerObjectName(filesystem.fsId), body);
  }

  async #self({ fsId, uuid }: Filesystem, id: string | null): Promise<Self> {
    const { storeId, installation, addresses } = this.#deps;
    const server = await this.#deps.server?.(fsId);
    return {
      fsId,
      uuid,
      store: storeId,
      addresses,
      installation: id,
      server,
      proven: await installation.proven(),
      serverBefore: server === undefined ? null : await installation.server(storeId),
    };
  }

  /** `null`: there is none. `undefined`: what is there cannot be understood. */
  async #read(filesystem: Filesystem, signal?: AbortSignal): Promise<BucketOwner | null | undefined> {
    const store = this.#deps.objects.forFilesystem(filesystem);
    const text = await readNote(store, ownerObjectName(filesystem.fsId), signal);
    return typeof text === 'string' ? parseOwner(text) : text;
  }
}

/**
 * `null`: nobody else. With the same uuid: is it the same metadata, or a copy of it? The very server that claimed the
 * bucket is the same, whatever else has changed. Otherwise it must be served from the same queue (a copy has its own), and
 * from the same place: an address of the owner's, or the server that was last seen there, by another name.
 */
function whyAnother(owner: BucketOwner, self: Self): string | null {
  if (owner.fsId !== self.fsId || owner.uuid !== self.uuid) {
    return `another file system (uuid ${owner.uuid}; this one's is ${self.uuid})`;
  }
  if (owner.store !== self.store) return `metadata store ${owner.store}, this one is ${self.store}`;
  if (self.server !== undefined && self.server === owner.server) return null;
  if (!isInstallation(owner, self)) {
    return `an installation with another queue, and its metadata store at ${owner.addresses.join(', ')}`;
  }
  const knownServer = self.server !== undefined && self.server === self.serverBefore;
  if (haveSameAddress(owner, self) || knownServer) return null;
  return `a metadata store at ${owner.addresses.join(', ')}, this one is at ${self.addresses.join(', ')}`;
}

/** This queue, as it is or as it was before it was lost: file systems that were claimed at different times stay ours. */
function isInstallation(owner: BucketOwner, self: Self): boolean {
  return owner.installation === self.installation || self.proven.has(owner.installation);
}

function haveSameAddress(owner: BucketOwner, self: Self): boolean {
  return owner.addresses.some((address) => self.addresses.includes(address));
}

function refusal({ fsId, bucket }: Filesystem, why: string): CompactError {
  return new CompactError(
    `the objects of file system ${fsId} in bucket ${bucket} belong to ${why}; nothing is compacted or deleted from here. If no other worker serves them any more (the metadata was moved or restored), say "s3compact adopt ${fsId}"`,
    { kind: 'halt', code: 'bucket-owned' },
  );
}

function parseOwner(text: string): BucketOwner | undefined {
  const note = parseNote(text) ?? {};
  const { format, fsId, uuid, store, addresses, server, installation } = note;
  const known = server === undefined ? [] : [server];
  const texts = [uuid, store, installation, ...known, ...(Array.isArray(addresses) ? addresses : [null])];
  const isOwner = format === 1 && typeof fsId === 'number' && texts.every((one) => typeof one === 'string');
  return isOwner ? (note as unknown as BucketOwner) : undefined;
}
