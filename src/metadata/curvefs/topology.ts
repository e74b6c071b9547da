/**
 * Where things are: which partition keeps an inode, which copyset keeps a partition, which metaservers keep a copyset,
 * which of them leads. Everything is kept and asked for again only when it proves wrong, since every call needs it. What
 * is kept may be stale: a server that is asked wrongly says so. It must not judge inodes.
 */
import type { Address } from '../../urls/curvefs.ts';
import type { Channels, Deadline } from './channel.ts';
import { printAddress } from './connection.ts';
import { asFault, unavailable } from './faults.ts';
import type { Mds } from './mds.ts';
import {
  getMetaServer,
  getMetaServerListInCopysets,
  listPartition,
  type MetaServerLocation,
  type PartitionInfo,
} from './proto/mds.ts';
import { getLeader } from './proto/metaserver.ts';

/** One partition's place. */
export interface Copyset {
  readonly poolId: number;
  readonly copysetId: number;
}

/** A metaserver: where we reach it, and what raft calls it. */
export interface Peer {
  readonly address: Address;
  /** `ip:port`, as raft's peer ids begin. */
  readonly raftName: string;
}

/** A list that did not have an inode is not asked for again sooner: inodes that do not exist are looked for, too. */
const PARTITIONS_FRESH_MS = 1_000;
const LEADER_TIMEOUT_MS = 500;
const LEADER_ROUNDS = 3;
const LEADER_PAUSE_MS = 100;
/** A peer that did not answer is asked last for so long. */
const SUSPECT_MS = 30_000;
/** File systems and copysets of one cluster; absurd numbers are forgotten and asked for again. */
const ENTRIES_MAX = 100_000;

interface Partitions {
  readonly list: readonly PartitionInfo[];
  readonly atMs: number;
}

export class Topology {
  readonly #mds: Mds;
  readonly #channels: Channels;
  readonly #partitions = new Map<number, Partitions>();
  readonly #listing = new Map<number, Promise<Partitions>>();
  readonly #peers = new Map<string, readonly Peer[]>();
  readonly #leaders = new Map<string, Peer>();
  readonly #asking = new Map<string, Promise<Peer>>();
  readonly #suspects = new Map<string, number>();

  constructor(mds: Mds, channels: Channels) {
    this.#mds = mds;
    this.#channels = channels;
  }

  /** `null` when no partition keeps such an inode. */
  async partitionOf(fsId: number, inodeId: bigint, deadline: Deadline): Promise<PartitionInfo | null> {
    const known = this.#partitions.get(fsId);
    const found = find(known?.list ?? [], inodeId);
    if (found !== undefined) return found;
    if (known !== undefined && performance.now() - known.atMs < PARTITIONS_FRESH_MS) return null;
    return find(await this.partitions(fsId, deadline), inodeId) ?? null;
  }

  /** All partitions as the MDS has them now. */
  async partitions(fsId: number, deadline: Deadline): Promise<readonly PartitionInfo[]> {
    const listing = this.#listing.get(fsId) ?? this.#list(fsId, deadline).finally(() => this.#listing.delete(fsId));
    this.#listing.set(fsId, listing);
    return (await listing).list;
  }

  async #list(fsId: number, deadline: Deadline): Promise<Partitions> {
    const atMs = performance.now();
    const { statusCode, partitionInfoList } = await this.#mds.call(listPartition, { fsId }, deadline);
    if (statusCode !== 'TOPO_OK')
      throw unavailable(`the MDS cannot list the partitions of file system ${fsId}: ${statusCode}`);
    const partitions = { list: partitionInfoList, atMs };
    remember(this.#partitions, fsId, partitions);
    return partitions;
  }

  /** To be listed again when they are next needed. */
  forgetPartitions(fsId: number): void {
    this.#partitions.delete(fsId);
  }

  /** Forgets who leads, if it is still thought to be this one. */
  notLeader(copyset: Copyset, peer: Peer): void {
    if (this.#leaders.get(keyOf(copyset)) === peer) this.#leaders.delete(keyOf(copyset));
  }

  /** Forgets who keeps the copyset. */
  moved(copyset: Copyset): void {
    this.#peers.delete(keyOf(copyset));
    this.#leaders.delete(keyOf(copyset));
  }

  /** Asked last from now on. */
  suspect(peer: Peer): void {
    remember(this.#suspects, peer.raftName, performance.now() + SUSPECT_MS);
  }

  /** Who leads the copyset; `except` was just proven wrong. Throws `metadata-unavailable` (retry). */
  async leader(copyset: Copyset, deadline: Deadline, except?: Peer): Promise<Peer> {
    const key = keyOf(copyset);
    const known = this.#leaders.get(key);
    if (known !== undefined) return known;
    const asking =
      this.#asking.get(key) ?? this.#ask(copyset, deadline, except).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(copyset: Copyset, deadline: Deadline, except: Peer | undefined): Promise<Peer> {
    let fallback: Peer | undefined;
    let why = 'nobody was asked';
    for (let round = 0; round < LEADER_ROUNDS && !deadline.over; round++) {
      if (round > 0) await deadline.pause(LEADER_PAUSE_MS);
      const peers = await this.peers(copyset, deadline, round > 0);
      for (const peer of this.#inOrder(peers, except)) {
        if (deadline.over) break;
        const said = await this.#askPeer(peer, copyset, deadline);
        if (typeof said === 'string') {
          why = said;
          continue;
        }
        const leader = peers.find((one) => matches(one, said)) ?? (await this.#stranger(said, deadline));
        // A peer that has not noticed yet names the one that was just proven wrong.
        if (leader.raftName === except?.raftName && round < LEADER_ROUNDS - 1) {
          fallback = leader;
          continue;
        }
        remember(this.#leaders, keyOf(copyset), leader);
        return leader;
      }
    }
    if (fallback !== undefined) return fallback;
    throw unavailable(`copyset ${copyset.poolId}/${copyset.copysetId} has no known leader: ${why}`);
  }

  /** The leader's raft address as this peer knows it, or why it does not. */
  async #askPeer(peer: Peer, copyset: Copyset, deadline: Deadline): Promise<Address | string> {
    const timeoutMs = Math.min(LEADER_TIMEOUT_MS, Math.max(1, deadline.leftMs()));
    try {
      const { leader } = await this.#channels.call(peer.address, { method: getLeader, request: copyset }, timeoutMs);
      return parsePeerId(leader.address ?? '') ?? `${printAddress(peer.address)} names no leader`;
    } catch (error) {
      const fault = asFault(error);
      if (fault.kind !== 'refused') this.suspect(peer);
      return fault.message;
    }
  }

  /** A leader that is not among the known peers: the MDS knows where it can be reached. */
  async #stranger(said: Address, deadline: Deadline): Promise<Peer> {
    const request = { hostIp: said.host, port: said.port };
    const { MetaServerInfo: info } = await this.#mds.call(getMetaServer, request, deadline);
    const raftName = `${said.host}:${said.port}`;
    if (info === undefined) return { address: said, raftName };
    return { address: { host: info.externalIp, port: info.externalPort }, raftName };
  }

  /** The metaservers that keep a copyset. Throws `metadata-unavailable` (retry). */
  async peers(copyset: Copyset, deadline: Deadline, fresh = false): Promise<readonly Peer[]> {
    const known = this.#peers.get(keyOf(copyset));
    if (known !== undefined && !fresh) return known;
    const request = { PoolId: copyset.poolId, copysetId: [copyset.copysetId] };
    const { statusCode, csInfo } = await this.#mds.call(getMetaServerListInCopysets, request, deadline);
    const locations = csInfo.find((one) => one.copysetId === copyset.copysetId)?.csLocs ?? [];
    if (statusCode !== 'TOPO_OK' || locations.length === 0) {
      throw unavailable(`the MDS knows no metaserver of copyset ${copyset.poolId}/${copyset.copysetId}: ${statusCode}`);
    }
    const peers = locations.map(peerOf);
    remember(this.#peers, keyOf(copyset), peers);
    return peers;
  }

  /** Who answers comes first, the one just proven wrong last. */
  #inOrder(peers: readonly Peer[], except: Peer | undefined): readonly Peer[] {
    const nowMs = performance.now();
    const rank = (peer: Peer): number => {
      if (peer.raftName === except?.raftName) return 2;
      return (this.#suspects.get(peer.raftName) ?? 0) > nowMs ? 1 : 0;
    };
    return peers.toSorted((a, b) => rank(a) - rank(b));
  }
}

function find(partitions: readonly PartitionInfo[], inodeId: bigint): PartitionInfo | undefined {
  return partitions.find(({ start, end }) => start <= inodeId && inodeId <= end);
}

function keyOf({ poolId, copysetId }: Copyset): string {
  return `${poolId}/${copysetId}`;
}

/** We connect to the external address, as clients do; metaservers know each other by the internal one. */
function peerOf(location: MetaServerLocation): Peer {
  const { internalIp, internalport, externalIp, externalPort } = location;
  return {
    address: { host: externalIp ?? internalIp, port: externalPort ?? internalport },
    raftName: `${internalIp}:${internalport}`,
  };
}

function matches(peer: Peer, { host, port }: Address): boolean {
  return peer.raftName === `${host}:${port}` || (peer.address.host === host && peer.address.port === port);
}

/** raft's `ip:port:index`. */
function parsePeerId(text: string): Address | null {
  const match = /^(.+):(\d{1,5}):\d+$/.exec(text);
  if (match === null) return null;
  const [, host = '', port] = match;
  return { host, port: Number(port) };
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  if (map.size >= ENTRIES_MAX) map.clear();
  map.set(key, value);
}
