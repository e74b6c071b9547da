/**
 * Looks at the compact queue again and again, each time in one atomic step inside Redis, and notes every inode that stands
 * in it twice: twice among those that wait, or twice among those that are worked on. It reads BullMQ's keys by itself and
 * shares no code with `src/`.
 */
import type { Redis } from 'ioredis';

/** KEYS: wait, paused, prioritized, delayed, active. ARGV: start of job keys. Answers waiting, active, and who is twice. */
const LOOK = `
local function keyed(ids, into, twice, what)
  for _, id in ipairs(ids) do
    local data = redis.call('HGET', ARGV[1] .. id, 'data')
    if data then
      local job = cjson.decode(data)
      local key = tostring(job['fsId']) .. '/' .. tostring(job['inodeId'])
      if into[key] then twice[#twice + 1] = what .. ' ' .. key .. ' (jobs ' .. into[key] .. ', ' .. id .. ')' end
      into[key] = id
    end
  end
  return #ids
end
local twice, waiting, active = {}, {}, {}
local count = 0
for n = 1, 2 do count = count + keyed(redis.call('LRANGE', KEYS[n], 0, -1), waiting, twice, 'waits') end
for n = 3, 4 do count = count + keyed(redis.call('ZRANGE', KEYS[n], 0, -1), waiting, twice, 'waits') end
local running = keyed(redis.call('LRANGE', KEYS[5], 0, -1), active, twice, 'runs')
return { count, running, twice }
`;

export interface Look {
  readonly waiting: number;
  readonly active: number;
}

export class QueueWatch {
  readonly #redis: Redis;
  readonly #keys: readonly string[];
  readonly #base: string;
  readonly twice = new Set<string>();
  looks = 0;
  waitingMost = 0;
  activeMost = 0;

  constructor(redis: Redis, queuePrefix: string) {
    this.#redis = redis;
    this.#base = `${queuePrefix}:compact:`;
    this.#keys = ['wait', 'paused', 'prioritized', 'delayed', 'active'].map((state) => this.#base + state);
  }

  async look(): Promise<Look> {
    const [waiting, active, twice] = (await this.#redis.eval(LOOK, this.#keys.length, ...this.#keys, this.#base)) as [
      number,
      number,
      string[],
    ];
    for (const one of twice) this.twice.add(one);
    this.looks++;
    this.waitingMost = Math.max(this.waitingMost, waiting);
    this.activeMost = Math.max(this.activeMost, active);
    return { waiting, active };
  }
}
