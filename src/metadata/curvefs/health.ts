/**
 * How the metaservers of a file system look from here, for `doctor`: every one is asked who leads, and whatever it
 * answers, it is there. Apart from the topology because that stops at the first good answer. It changes nothing.
 */
import { type Channels, Deadline } from './channel.ts';
import { printAddress } from './connection.ts';
import { asFault } from './faults.ts';
import { getLeader } from './proto/metaserver.ts';
import type { Copyset, Peer, Topology } from './topology.ts';

/** Long enough for a busy server; a person waits. */
const PROBE_TIMEOUT_MS = 2_000;

export interface CopysetHealth {
  /** `pool/copyset`. */
  readonly name: string;
  readonly peers: readonly string[];
  readonly leader?: string;
  /** What is wrong: peers that do not answer, a leader that nobody knows. */
  readonly faults: readonly string[];
}

interface Deps {
  readonly topology: Topology;
  readonly channels: Channels;
  readonly timeoutMs: number;
}

export async function copysetHealth(fsId: number, deps: Deps): Promise<readonly CopysetHealth[]> {
  const partitions = await deps.topology.partitions(fsId, new Deadline(deps.timeoutMs));
  const copysets = new Map(partitions.map((one) => [`${one.poolId}/${one.copysetId}`, one]));
  // A server that is away is reported once, however many copysets it keeps.
  const probes = new Map<string, Promise<string | null>>();
  const all: CopysetHealth[] = [];
  for (const [name, copyset] of copysets) all.push(await lookAt(name, copyset, { ...deps, probes }));
  return all;
}

async function lookAt(
  name: string,
  copyset: Copyset,
  deps: Deps & { readonly probes: Map<string, Promise<string | null>> },
): Promise<CopysetHealth> {
  const faults: string[] = [];
  let peers: readonly Peer[] = [];
  let leader: Peer | undefined;
  try {
    peers = await deps.topology.peers(copyset, new Deadline(deps.timeoutMs), true);
    for (const peer of peers) {
      const address = printAddress(peer.address);
      const probe = deps.probes.get(address) ?? probePeer(peer, copyset, deps.channels);
      deps.probes.set(address, probe);
      const fault = await probe;
      if (fault !== null) faults.push(fault);
    }
    leader = await deps.topology.leader(copyset, new Deadline(deps.timeoutMs));
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  }
  return {
    name,
    peers: peers.map((peer) => printAddress(peer.address)),
    faults,
    ...(leader === undefined ? {} : { leader: printAddress(leader.address) }),
  };
}

/** What is wrong with a server; one that refuses the question is there. */
async function probePeer(peer: Peer, copyset: Copyset, channels: Channels): Promise<string | null> {
  try {
    await channels.call(peer.address, { method: getLeader, request: copyset }, PROBE_TIMEOUT_MS);
    return null;
  } catch (error) {
    const fault = asFault(error);
    return fault.kind === 'refused' ? null : fault.message;
  }
}
