/** One process of the bench: takes from the pool's rate as fast as it is let, and tells its total ten times a second. */
import { systemClock } from '../../src/clock.ts';
import { redisBudget } from '../../src/pace/redis-budget.ts';
import { SharedRate } from '../../src/pace/shared-rate.ts';
import { connectRedis } from '../../src/redis/client.ts';

const [url = '', rate = '0', bytes = '0', members = '1'] = process.argv.slice(2);
const perSecond = Number(rate);
const connection = connectRedis(url, { profile: 'producer', timeoutMs: 2_000 });
const budget = redisBudget({ connection, prefix: 'bench', perSecond });
const pool = new SharedRate({ clock: systemClock, perSecond, budget, membersAtFirst: Number(members) });
let taken = 0;
setInterval(() => process.send?.(taken), 100);
for (;;) {
  await pool.take(Number(bytes));
  taken += Number(bytes);
}
