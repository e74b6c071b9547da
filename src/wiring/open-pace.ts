/**
 * From settings to the limits of a process: its rates, its places in flight, and the pool's common budget where there is
 * a Redis to keep it. It only puts together; what the limits do is in `src/pace*.ts`.
 */
import { systemClock } from '../clock.ts';
import type { Settings } from '../config/index.ts';
import { Pace, type PaceOptions } from '../pace/pace.ts';
import { redisBudget } from '../pace/redis-budget.ts';
import type { RedisClient } from '../redis/client.ts';

export interface PaceWiring {
  /** The queue's Redis; absent: the pool's limit does not bind this process. */
  readonly connection?: RedisClient;
  readonly onWaited?: PaceOptions['onWaited'];
}

/** The limits of this process. */
export function openPace(settings: Settings, { connection, onWaited }: PaceWiring = {}): Pace {
  const { poolBytesPerSecond: perSecond, queuePrefix: prefix } = settings;
  const pool =
    connection === undefined || perSecond === 0
      ? {}
      : {
          pool: {
            bytesPerSecond: perSecond,
            budget: redisBudget({ connection, prefix, perSecond }),
            membersAtFirst: settings.processes,
          },
        };
  return new Pace({
    clock: systemClock,
    bytesPerSecond: settings.bytesPerSecond,
    requestsPerSecond: settings.requestsPerSecond,
    inFlight: { floor: settings.requestsInFlightMin, ceiling: settings.requestsInFlight },
    ...pool,
    ...(onWaited === undefined ? {} : { onWaited }),
  });
}
