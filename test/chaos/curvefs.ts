/**
 * A chaos run on the stand-in CurveFS cluster, which lives in the process of the judge: how its clients append, and its
 * faults: leaders that move, answers to commits that are lost, late or wrong, calls that are refused, an MDS that dies.
 * The workers reach it over sockets. It must not be more unkind than docs/adr/0005 allows: nothing comes later than the
 * quiet period, and no client holds a chunkId back for as long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Access } from '../kit/servers/s3.ts';
import { CurveCluster } from '../metadata/curvefs/cluster/cluster.ts';
import { type FaultRule, Gate } from '../metadata/curvefs/cluster/faults.ts';
import { OVERLOAD, REDIRECTED } from '../metadata/curvefs/cluster/metaserver.ts';
import { CurveWriter } from '../metadata/curvefs/cluster/writer.ts';
import type { Random } from '../sim/seeded/random.ts';
import type { Journal } from './journal.ts';
import type { Append, Lists } from './lists.ts';
import { BUCKET, FS_ID, GEOMETRY, LEASE_MS, METADATA_TIMEOUT_MS } from './settings.ts';
import type { Tally } from './tally.ts';

/** Times of files are whole seconds, so of a quiet period one second may be missing. */
const QUIET_MS = 4_000;
const HOLD_MAX_MS = 2_000;
/** A commit that takes effect after its deadline. */
const LATE_MS = [METADATA_TIMEOUT_MS, METADATA_TIMEOUT_MS + 500] as const;
const MDS_AWAY_MS = [100, 1_500] as const;
/** One append in so many is sent once more, at once or a little later, as after a lost answer. */
const REPEATED_IN = 20;
const REPEATED_AFTER_MS = 200;
/** ADR 5: nothing is deleted earlier than lease, deadline and a minute. */
const DELETED_AFTER_MS = LEASE_MS + METADATA_TIMEOUT_MS + 60_000;
/** BRPC: the server is too busy. */
const EBUSY = 1011;
const COMMIT = 'GetOrModifyS3ChunkInfo';

export class CurveLists implements Lists {
  readonly files: CurveWriter;
  readonly env: Readonly<Record<string, string>>;
  readonly order = 'id';
  readonly graceMs = DELETED_AFTER_MS;
  readonly holdMaxMs = HOLD_MAX_MS;
  readonly resting = true;
  readonly apart = true;
  readonly #cluster: CurveCluster;
  readonly #random: Random;
  readonly #tally: Tally;

  private constructor(
    cluster: CurveCluster,
    files: CurveWriter,
    by: { readonly random: Random; readonly tally: Tally },
  ) {
    this.#cluster = cluster;
    this.files = files;
    this.#random = by.random;
    this.#tally = by.tally;
    this.env = { METADATA_URL: cluster.url, S3COMPACT_QUIET_PERIOD: `${QUIET_MS}ms` };
  }

  static async start(
    s3: S3Client,
    access: S3Access,
    by: { readonly random: Random; readonly tally: Tally },
  ): Promise<CurveLists> {
    const cluster = await CurveCluster.start();
    const { endpoint, accessKeyId, secretAccessKey } = access;
    cluster.addFilesystem({ fsId: FS_ID, bucket: BUCKET, endpoint, accessKeyId, secretAccessKey, ...GEOMETRY });
    const files = new CurveWriter({ cluster, s3, bucket: BUCKET, fsId: FS_ID, geometry: GEOMETRY });
    return new CurveLists(cluster, files, by);
  }

  async create(inodeIds: readonly bigint[]): Promise<void> {
    for (const inodeId of inodeIds) await this.files.createInode(inodeId);
  }

  async takeChunkId(): Promise<bigint> {
    return this.#cluster.state.allocateChunks(1n);
  }

  async append({ journal: { inodeId }, entry: { version, length } }: Append): Promise<void> {
    if (version === undefined) return this.files.truncate(inodeId, length);
    await this.files.send(inodeId, [version], length);
    if (this.#random.below(REPEATED_IN) !== 0) return;
    await delay(this.#random.below(REPEATED_AFTER_MS));
    await this.files.send(inodeId, [version], length);
    this.#tally.add('appendsRepeated');
  }

  /** The cluster loses nothing that it has acknowledged. */
  async numberOf({ count }: Journal): Promise<number> {
    return count;
  }

  async fenced(): Promise<boolean> {
    return false;
  }

  /** One fault, and what is left of it when its time is over. */
  async strike(random: Random): Promise<void> {
    const dice = random.below(10);
    if (dice < 4) return this.#moveLeaders(random);
    if (dice < 5) return this.#killMds(random);
    const rule = dice < 9 ? commitFault(random) : refusal(random);
    const onStrike = (): void => {
      this.#tally.add('answersSpoilt');
      rule.onStrike?.();
    };
    this.#cluster.faults.add({ ...rule, onStrike });
  }

  /** Faults that struck nobody go; what the servers saw a client do that it must never do is a violation. */
  endFaults(): void {
    this.#cluster.faults.clear();
    this.#cluster.heartbeat();
  }

  judge(): void {
    const { violations, commits } = this.#cluster.state;
    for (const violation of violations) this.#tally.violate(`the cluster: ${violation}`);
    this.#tally.add('clusterCommits', commits.length);
  }

  async close(): Promise<void> {
    this.files.close();
    await this.#cluster.close();
  }

  #moveLeaders(random: Random): void {
    if (random.below(2) === 0) this.#cluster.moveAllLeaders();
    else this.#cluster.moveLeader(random.pick([...this.#cluster.state.copysets.keys()]));
    if (random.below(2) === 0) this.#cluster.heartbeat();
    this.#tally.add('leaderMoves');
  }

  async #killMds(random: Random): Promise<void> {
    await this.#cluster.killMds();
    await delay(between(random, MDS_AWAY_MS));
    await this.#cluster.promoteMds();
    this.#tally.add('mdsKills');
  }
}

/** What may become of a commit: not begun, done and not told, done late. */
function commitFault(random: Random): FaultRule {
  const method = COMMIT;
  return random.pick<FaultRule>([
    { method, reply: 'cut' },
    { method, reply: 'silence' },
    { method, reply: { status: REDIRECTED } },
    { method, reply: { error: EBUSY } },
    { method, instead: 'cut' },
    { method, instead: 'silence' },
    { method, instead: { status: REDIRECTED } },
    { method, instead: { status: OVERLOAD } },
    late(method, between(random, LATE_MS)),
  ]);
}

function late(method: string, ms: number): FaultRule {
  const gate = new Gate();
  return { method, before: gate.opened, onStrike: () => void setTimeout(() => gate.open(), ms) };
}

function refusal(random: Random): FaultRule {
  const method = random.pick(['GetInode', 'GetFsInfo', 'ListPartition', 'GetLeader']);
  return { method, instead: { error: EBUSY } };
}

function between(random: Random, [from, to]: readonly [number, number]): number {
  return from + random.below(to - from);
}
