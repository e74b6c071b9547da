/**
 * Calls to the metaserver that leads an inode's copyset. Reads are repeated until one succeeds or the time is over.
 * A write is sent again only when the server has certainly not begun with the one before; otherwise its fate is
 * `unknown`, and only reading back can tell. It must not know what is read or written.
 */
import { CompactError } from '../../errors.ts';
import { printInodeKey } from '../../format.ts';
import type { InodeKey } from '../../model.ts';
import { type Channels, Deadline } from './channel.ts';
import { asFault, mayHaveHappened, RpcFault, refused, unavailable, wrongServer } from './faults.ts';
import type { InitOf, MessageOf, MessageType, Method } from './proto/codec.ts';
import type { PartitionInfo } from './proto/mds.ts';
import type { Peer, Topology } from './topology.ts';

const TIMEOUT_FIRST_MS = 1_000;
const TIMEOUT_MAX_MS = 8_000;
const PAUSE_MS = 100;
const OVERLOAD_PAUSE_FIRST_MS = 100;
const OVERLOAD_PAUSE_MAX_MS = 8_000;

interface Call<Request extends MessageType, Response extends MessageType> {
  readonly method: Method<Request, Response>;
  readonly request: (partition: PartitionInfo) => InitOf<Request>;
}

/** `unknown`: the write may have been, or may yet be, carried out. */
export type Written<T> =
  | { readonly kind: 'answered'; readonly response: T }
  | { readonly kind: 'unknown'; readonly cause: Error };

/** What to do about an answer. */
type Step = 'done' | 'again' | 'unknown' | 'slower';

interface MetaserversDeps {
  readonly topology: Topology;
  readonly channels: Channels;
  /** How long a whole call may take. */
  readonly timeoutMs: number;
}

export class Metaservers {
  readonly #deps: MetaserversDeps;

  constructor(deps: MetaserversDeps) {
    this.#deps = deps;
  }

  /** The answer, whatever its status says of the inode; `null` when no partition keeps such an inode. */
  async read<Request extends MessageType, Response extends MessageType>(
    place: InodeKey,
    call: Call<Request, Response>,
  ): Promise<MessageOf<Response> | null> {
    const tries = new Tries(place, this.#deps.timeoutMs);
    const written = await this.#repeat(tries, call, (fault) => (fault === null ? 'again' : stepAfterRead(fault)));
    if (written === null || written.kind === 'answered') return written?.response ?? null;
    throw tries.failed(written.cause);
  }

  /** One write. Throws CompactError when nothing was, and will be, carried out. */
  async write<Request extends MessageType, Response extends MessageType>(
    place: InodeKey,
    call: Call<Request, Response>,
  ): Promise<Written<MessageOf<Response>> | null> {
    // A write gets all the time there is at once: giving it up makes its fate unknown, and it is not sent twice.
    const tries = new Tries(place, this.#deps.timeoutMs, TIMEOUT_MAX_MS);
    // REDIRECTED may also mean that the leader has stepped down with the write in its log.
    return this.#repeat(tries, call, (fault) =>
      fault === null || mayHaveHappened(fault) ? 'unknown' : stepAfterRead(fault),
    );
  }

  async #repeat<Request extends MessageType, Response extends MessageType>(
    tries: Tries,
    call: Call<Request, Response>,
    /** `null`: the server is not, or no longer, the leader. */
    afterFault: (fault: RpcFault | null) => Step,
  ): Promise<Written<MessageOf<Response>> | null> {
    const { place, deadline } = tries;
    while (!deadline.over) {
      const partition = await this.#deps.topology.partitionOf(place.fsId, place.inodeId, deadline);
      if (partition === null) return null;
      const leader = await this.#leader(partition, tries);
      try {
        const request = call.request(partition);
        const response = await this.#deps.channels.call(
          leader.address,
          { method: call.method, request },
          tries.timeoutMs(),
        );
        const status = statusOf(response);
        const step = this.#judge(status, { partition, leader, tries }, () => afterFault(null));
        if (step === 'done') return { kind: 'answered', response };
        tries.fault = new Error(`the metaserver answered ${call.method.name} with ${status}`);
        if (step === 'unknown') return { kind: 'unknown', cause: tries.fault };
        await (step === 'slower' ? tries.backOff() : deadline.pause(PAUSE_MS));
      } catch (error) {
        const fault = asFault(error);
        tries.fault = fault;
        this.#deps.topology.notLeader(partition, leader);
        tries.wrongLeader = leader;
        if (fault.kind === 'timeout') this.#deps.topology.suspect(leader);
        const step = afterFault(fault);
        if (step === 'unknown') return { kind: 'unknown', cause: fault };
        if (step === 'done')
          throw wrongServer(fault) ? refused(fault.message, fault) : unavailable(fault.message, fault);
        if (step === 'slower') await tries.backOff();
        else if (fault.kind !== 'timeout') await deadline.pause(PAUSE_MS);
      }
    }
    throw tries.failed();
  }

  async #leader(partition: PartitionInfo, tries: Tries): Promise<Peer> {
    try {
      return await this.#deps.topology.leader(partition, tries.deadline, tries.wrongLeader);
    } catch (error) {
      if (!(error instanceof CompactError) || error.kind !== 'retry' || tries.deadline.over) throw error;
      tries.fault = error;
      await tries.deadline.pause(PAUSE_MS);
      return this.#leader(partition, tries);
    }
  }

  #judge(
    status: string | number,
    at: { readonly partition: PartitionInfo; readonly leader: Peer; readonly tries: Tries },
    redirected: () => Step,
  ): Step {
    const { partition, leader, tries } = at;
    switch (status) {
      case 'OVERLOAD':
        return 'slower';
      case 'REDIRECTED':
      case 'STORAGE_CLOSED':
        this.#deps.topology.notLeader(partition, leader);
        tries.wrongLeader = leader;
        return redirected();
      case 'COPYSET_NOTEXIST':
        this.#deps.topology.moved(partition);
        return 'again';
      case 'PARTITION_NOT_FOUND':
        this.#deps.topology.forgetPartitions(partition.fsId);
        return 'again';
      case 'TX_KEY_LOCKED':
      case 'TX_INPROGRESS':
        return 'again';
      default:
        return 'done';
    }
  }
}

/** The tries of one call. */
class Tries {
  readonly place: InodeKey;
  readonly deadline: Deadline;
  fault: Error | undefined;
  wrongLeader: Peer | undefined;
  #timeoutMs: number;
  #overloadMs = OVERLOAD_PAUSE_FIRST_MS;

  constructor(place: InodeKey, totalMs: number, timeoutMs = TIMEOUT_FIRST_MS) {
    this.place = place;
    this.#timeoutMs = timeoutMs;
    this.deadline = new Deadline(totalMs);
  }

  /** For the next try: longer each time, as a large inode may just take long. */
  timeoutMs(): number {
    const timeoutMs = this.#timeoutMs;
    this.#timeoutMs = Math.min(TIMEOUT_MAX_MS, timeoutMs * 2);
    return Math.max(1, Math.min(timeoutMs, this.deadline.leftMs()));
  }

  async backOff(): Promise<void> {
    await this.deadline.pause(this.#overloadMs);
    this.#overloadMs = Math.min(OVERLOAD_PAUSE_MAX_MS, this.#overloadMs * 2);
  }

  failed(cause: Error | undefined = this.fault): CompactError {
    const why = cause === undefined ? 'no time was left' : cause.message;
    return unavailable(
      `no metaserver answered for inode ${printInodeKey(this.place)} within ${this.deadline.totalMs} ms: ${why}`,
      cause,
    );
  }
}

function stepAfterRead(fault: RpcFault): Step {
  // No use in trying again: also where the MDS sent us to a server of another kind, whose port a person has to look at.
  if (fault.kind === 'busy' || fault.kind === 'too-large' || wrongServer(fault)) return 'done';
  return fault.kind === 'refused' ? 'slower' : 'again';
}

function statusOf(response: object): string | number {
  const { statusCode } = response as { readonly statusCode?: string | number };
  if (statusCode === undefined) throw new RpcFault('a reply without a status', { kind: 'protocol', sent: true });
  return statusCode;
}
