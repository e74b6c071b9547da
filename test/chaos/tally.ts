/**
 * What a chaos run has done and what it found wrong. It stands alone because every part of the run counts. A violation
 * is a broken promise, told with what is known of it; it must never be taken back.
 */

/** Everything that is counted, in the order and the words of the final table. */
export const COUNTS = {
  writes: 'versions written and acknowledged',
  zeroWrites: '  of them zero versions',
  truncates: 'truncates acknowledged',
  writerPuts: 'objects put by writers',
  idsHeld: 'writes given up, because their chunkId was held for too long',
  idsTaken: 'object names that a writer found taken',
  unknownSettled: 'writes of unknown outcome, settled by reading back',
  rolledBack: 'writes lost with the last second of Redis',
  reads: 'reads by current lists, checked',
  staleReads: 'reads by stale lists within the grace period, checked',
  bytes: 'bytes checked against the history',
  readsLate: 'reads not judged (server away until the grace period was over)',
  enqueued: 'inodes queued',
  jobs: 'runs that ended (as logged)',
  commits: 'chunks committed (as logged)',
  conflicts: 'runs that lost a race: conflict or stale (as logged)',
  unknowns: 'runs that ended with a commit of unknown fate (as logged)',
  leases: 'runs that outlived their lease and gave up (as logged)',
  busy: 'runs that found their file in use, or have to look at it again (as logged)',
  busyEnded: '  of them with the last try of their job',
  failures: 'runs that ended with another failure, to be tried again (as logged)',
  mergedPuts: 'merged objects put (as logged)',
  records: 'reap records done (as logged)',
  looks: 'looks at reap records that have to wait for another one (as logged)',
  doubts: 'looks at reap records that ended in doubt (as logged)',
  deleted: 'objects deleted (as logged)',
  fencesLeft: 'fences of ended attempts at the end (the next attempt replaces them)',
  gcPasses: 'passes of gc at the end',
  collected: 'objects deleted by gc',
  starts: 'workers started',
  kills: 'workers killed (SIGKILL)',
  processKills: 'processes of a pool killed (SIGKILL)',
  gaveUp: 'pools that ended because their processes were killed again and again',
  pauses: 'workers paused (SIGSTOP) and resumed',
  pausesLong: '  of them beyond the lease',
  startsRefused: 'workers that found no Redis at their start and ended',
  redisKills: 'Redis killed and restarted',
  redisLosses: '  of them with the last 0-1 s of the append-only file cut off',
  redisLostBytes: '  bytes cut off',
  redisPauses: 'Redis paused',
  clusterCommits: 'commits that the cluster has applied',
  appendsRepeated: 'appends that a client sent twice',
  leaderMoves: 'metaserver leaders moved',
  answersSpoilt: 'calls to the cluster whose answer was lost, late or wrong',
  mdsKills: 'MDS killed, and another one promoted',
  s3Kills: 'S3 server killed and restarted',
  s3Stops: 'S3 server stopped and started',
  s3Pauses: 'S3 server paused',
} as const;

export type CountName = keyof typeof COUNTS;

/** More would not be read. */
const VIOLATIONS_KEPT_MAX = 100;

export class Tally {
  readonly counts = new Map<CountName, number>();
  readonly violations: string[] = [];
  readonly #startedMs = performance.now();
  #violated = 0;
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  add(name: CountName, count = 1): void {
    this.counts.set(name, this.of(name) + count);
  }

  of(name: CountName): number {
    return this.counts.get(name) ?? 0;
  }

  violate(what: string): void {
    this.#violated++;
    if (this.violations.length >= VIOLATIONS_KEPT_MAX) return;
    this.violations.push(what);
    this.say(`VIOLATED  ${what}`);
  }

  get violated(): number {
    return this.#violated;
  }

  /** One line with the time since the start. */
  say(text: string): void {
    this.#say(`${((performance.now() - this.#startedMs) / 1000).toFixed(1).padStart(6)}s  ${text}`);
  }

  table(): string {
    const rows = Object.entries(COUNTS) as [CountName, string][];
    return rows.map(([name, text]) => `${this.of(name).toLocaleString('en').padStart(14)}  ${text}`).join('\n');
  }
}
