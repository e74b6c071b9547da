/**
 * Where a queue is, and how a failed command of it is reported. It stands alone because every file of the queue makes
 * commands, and whoever waits for Redis to come back goes by this one code.
 */
import type { ChainableCommander, Cluster, Redis } from 'ioredis';
import { CompactError, toError } from '../errors.ts';

export interface QueueOptions {
  readonly connection: Redis | Cluster;
  readonly prefix: string;
}

/** Runs a queue command and reports its failure as `queue-unavailable`. */
export async function queueCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CompactError) throw error;
    throw new CompactError(
      `could not ${what}: the queue's Redis did not do it (${toError(error).message}); check REDIS_URL and the server`,
      { kind: 'retry', code: 'queue-unavailable', cause: error },
    );
  }
}

/** Sends commands together, as one step where it is a MULTI, and answers their replies; throws the first refusal among them. */
export async function inOneStep(batch: ChainableCommander): Promise<readonly unknown[]> {
  const replies = (await batch.exec()) ?? [[new Error('the transaction was not carried out'), null]];
  return replies.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
