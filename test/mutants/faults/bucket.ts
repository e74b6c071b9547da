/** Faults around the bucket as a whole: whose its objects are, what garbage collection takes, what fsck reports. */
import { type Fault, fault } from '../fault.ts';

type Replacement = readonly [find: string, replace: string];

function owner(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I7 I10', { file: 'src/reap/bucket-owner.ts', edits });
}

export const BUCKET_FAULTS: readonly Fault[] = [
  owner('another file system under the same number owns the bucket, too', [' || owner.uuid !== self.uuid', '']),
  owner('a copy of the metadata in another store counts as the owner', [
    'owner.store !== self.store',
    'owner.store === ""',
  ]),
  owner('a copy of the metadata with its own queue counts as the owner', [
    'if (owner.installation !== self.installation) {\n    return',
    'if (owner.installation === null) {\n    return',
  ]),
  owner('a copy at another address counts as the owner', [
    'if (haveSameAddress(owner, self) || knownServer)',
    'if (self)',
  ]),
  owner('an owner that cannot be read is no owner', ['if (!owner || why !== null)', 'if (owner && why !== null)']),
  owner('what was found to be ours is believed for ever', ['nowMs < known.untilMs', 'nowMs >= 0']),
  owner('a refusal is remembered after an adoption', ['checked.catch(forget);', 'checked.catch(() => undefined);']),
  owner('a claim is believed without a second look', [
    'if (!lasting) forget();',
    'if (lasting === undefined) forget();',
  ]),
  fault('a run writes into a bucket that belongs to another', 'I7', {
    file: 'src/compact/compact-inode.ts',
    edits: [['await this.#deps.requireOwner?.(this.#filesystem);', '']],
  }),
];
