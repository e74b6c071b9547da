/**
 * What to do about what is stuck, in the words of docs/runbook.md, which is not part of the package: the paragraph "Do" of
 * each heading that a list of stuck things leads to. A test holds the two together. It must say nothing of its own.
 */

export interface Advice {
  /** The heading in docs/runbook.md. */
  readonly heading: string;
  /** Code between backticks. */
  readonly words: string;
}

export const RUNBOOK = {
  quarantined: {
    heading: 'S3CompactQuarantined',
    words:
      "A late upload that has arrived: nothing, the next look releases the inode; `s3compact quarantine release FS INODE --queue` does it now. Clients that often upload later: raise `S3COMPACT_UPLOAD_WAIT`. A damaged list: mend it with the metadata service's own tools first. A lost or damaged object: restore it (a versioned bucket, a backup) or let the owner rewrite the file.",
  },
  halted: {
    heading: 'S3CompactHalted',
    words:
      "What the sentence says. `other`: report the line, its `err` has the stack. `object-collision` is the one that must not be: pause, and find out who else writes to the bucket under such names. `bucket-owned`: the objects belong to another metadata store or to a copy's original; find out which of the two should run, and say `s3compact adopt FS` only where nobody serves the other any more.",
  },
  givenUp: {
    heading: 'S3CompactJobsGivenUp',
    words:
      'Give a single run more memory: `s3compact inode FS INODE --inline --memory 512MiB`. Its leftovers are reaped whatever happens.',
  },
  failing: {
    heading: 'S3CompactRunsFailing',
    words:
      'For races nothing, or scan at quieter hours. For servers see their alerts. For leases: lower `S3COMPACT_MAX_BYTES` or raise `S3COMPACT_LEASE`.',
  },
  overdue: {
    heading: 'S3CompactDeleteQueueStuck',
    words:
      'With CronJobs only: is `s3compact-reap` suspended? Run `s3compact reap` once by hand and read what it says.',
  },
  doubt: {
    heading: 'S3CompactReapDoubt',
    words:
      'Objects that could not be deleted (object lock, a legal hold, a policy): the others of their record are gone; these are tried again at most once an hour, until they can be deleted. A list with more than 500,000 versions: compact the inode first. "Has a list that the index of its chunks lacks", "no list at all", "nextChunkId is missing": metadata was lost (an eviction policy?); `s3compact doctor FS` and your backup. Servers that are away: mend them. A file system that was removed on purpose: its records stay and its bucket is yours to delete. A file system that was restored under the same id: see reliability.md first.',
  },
  holds: {
    heading: 'S3CompactHoldForgotten',
    words:
      'Ask whoever made it whether its backup is still needed. If not: `s3compact hold release FS HOLD`; what was kept is deleted within half an hour. Give the next one an end: `--for 6h`.',
  },
} as const satisfies Readonly<Record<string, Advice>>;
