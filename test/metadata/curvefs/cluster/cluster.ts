/**
 * A CurveFS cluster of sockets in this process: several MDS of which one listens, several metaservers, copysets whose
 * leaders move. Tests make file systems on it, break its servers, and look at what is stored. It shares no code with
 * src/metadata/curvefs. It must never be more forgiving than the servers that the facts describe.
 */
import { Faults } from './faults.ts';
import { mdsMethods, type ServerAddress } from './mds.ts';
import { metaserverMethods } from './metaserver.ts';
import { BrpcServer } from './server.ts';
import {
  ClusterState,
  type Copyset,
  type FilesystemRow,
  FS_INITED,
  FS_S3,
  RECYCLE_INODE,
  ROOT_INODE,
} from './state.ts';

export interface ClusterOptions {
  readonly mdsCount?: number;
  readonly metaserverCount?: number;
  readonly copysetCount?: number;
}

const RECYCLE_NAME = '.recycle';

export class CurveCluster {
  readonly state = new ClusterState();
  readonly faults = new Faults();
  readonly mds: readonly BrpcServer[];
  /** By id - 1. */
  readonly metaservers: readonly BrpcServer[];
  #leadingMds = 0;

  private constructor({ mdsCount = 2, metaserverCount = 3, copysetCount = 2 }: ClusterOptions) {
    const { state, faults } = this;
    const violation = (what: string): void => void state.violations.push(what);
    const addresses = (): readonly ServerAddress[] => this.#addresses();
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);
    this.mds = numbers(mdsCount).map(
      (n) => new BrpcServer({ name: `mds${n}`, methods: mdsMethods(state, addresses), faults, violation }),
    );
    this.metaservers = numbers(metaserverCount).map(
      (n) => new BrpcServer({ name: `ms${n}`, methods: metaserverMethods(state, n, addresses), faults, violation }),
    );
    const members = numbers(metaserverCount);
    for (const copysetId of numbers(copysetCount)) {
      const leader = ((copysetId - 1) % metaserverCount) + 1;
      state.copysets.set(copysetId, { copysetId, members, leader, reportedLeader: leader });
    }
  }

  static async start(options: ClusterOptions = {}): Promise<CurveCluster> {
    const cluster = new CurveCluster(options);
    // A follower's port refuses; each takes one first, so that the list of addresses stands from the beginning.
    for (const server of [...cluster.mds, ...cluster.metaservers]) await server.listen();
    for (const follower of cluster.mds.slice(1)) await follower.stop();
    return cluster;
  }

  /** As METADATA_URL takes it; followers first, so that a client has to go on to the leader. */
  get url(): string {
    return `curvefs://${this.mds
      .map(({ port }) => `127.0.0.1:${port}`)
      .toReversed()
      .join(',')}`;
  }

  async close(): Promise<void> {
    await Promise.all([...this.mds, ...this.metaservers].map((server) => server.stop()));
  }

  addFilesystem(row: Pick<FilesystemRow, 'fsId'> & Partial<FilesystemRow>): FilesystemRow {
    const full: FilesystemRow = {
      name: `fs${row.fsId}`,
      bucket: 'bucket',
      endpoint: 'http://127.0.0.1:1',
      objectPrefix: 0,
      accessKeyId: 'ak-of-the-filesystem',
      secretAccessKey: 'sk-of-the-filesystem',
      fsType: FS_S3,
      blockSize: 4_194_304,
      chunkSize: 67_108_864,
      status: FS_INITED,
      ...row,
    };
    this.state.filesystems.set(row.fsId, full);
    if (this.state.partitions.some(({ fsId }) => fsId === row.fsId)) return full;
    this.state.addPartition(row.fsId);
    for (const inodeId of [ROOT_INODE, RECYCLE_INODE]) {
      this.state.putInode({ fsId: row.fsId, inodeId }, { type: 1, nlink: 2, parent: [ROOT_INODE] });
    }
    this.state.addEntry(row.fsId, {
      parentInodeId: ROOT_INODE,
      name: RECYCLE_NAME,
      inodeId: RECYCLE_INODE,
      type: 1,
    });
    return full;
  }

  copyset(copysetId: number): Copyset {
    const found = this.state.copysets.get(copysetId);
    if (found === undefined) throw new RangeError(`no copyset ${copysetId}`);
    return found;
  }

  /** The next member leads; the MDS hears of it with the next heartbeat. */
  moveLeader(copysetId: number): void {
    const copyset = this.copyset(copysetId);
    const at = copyset.members.indexOf(copyset.leader ?? copyset.reportedLeader);
    copyset.leader = copyset.members[(at + 1) % copyset.members.length] ?? null;
  }

  moveAllLeaders(): void {
    for (const copysetId of this.state.copysets.keys()) this.moveLeader(copysetId);
  }

  heartbeat(): void {
    for (const copyset of this.state.copysets.values())
      copyset.reportedLeader = copyset.leader ?? copyset.reportedLeader;
  }

  /** The metaserver that leads the copyset of an inode. */
  leaderOf(fsId: number, inodeId: bigint): BrpcServer {
    const { leader } = this.copyset(this.state.partitionOf({ fsId, inodeId }).copysetId);
    const server = this.metaservers[(leader ?? 0) - 1];
    if (server === undefined) throw new Error('there is no leader now');
    return server;
  }

  /** The leading MDS dies; nobody listens until another is promoted. */
  async killMds(): Promise<void> {
    await this.mds[this.#leadingMds]?.stop();
  }

  async promoteMds(): Promise<void> {
    this.#leadingMds = (this.#leadingMds + 1) % this.mds.length;
    this.state.dropBundle();
    await this.mds[this.#leadingMds]?.listen();
  }

  /** Calls of a method so far, at all servers. */
  calls(method: string): number {
    let calls = 0;
    for (const server of [...this.mds, ...this.metaservers]) {
      for (const [name, count] of server.calls) if (name.endsWith(`/${method}`)) calls += count;
    }
    return calls;
  }

  /** Inside the cluster the servers have other addresses, which nobody outside can reach. */
  #addresses(): readonly ServerAddress[] {
    return this.metaservers.map(({ port }, n) => ({
      id: n + 1,
      internalIp: `10.99.0.${n + 1}`,
      internalPort: 6800,
      externalIp: '127.0.0.1',
      externalPort: port,
    }));
  }
}
