/**
 * The short form of `npm run bench:goodput`: a run on a store that refuses half of its requests ends well, by either way that
 * requests go, and one on a store that serves nothing any more is given up after a bounded number of requests. Waits are
 * leapt over, so no machine is too slow for it.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusedRun, WAYS } from '../../bench/goodput/run.ts';
import { type RefusingServer, startRefusingServer } from '../../bench/goodput/server.ts';

const CALLS = 1_000;
let server: RefusingServer;
beforeEach(async () => {
  server = await startRefusingServer(7);
});
afterEach(() => server.close());

describe.each(WAYS)('by the %s way', (way) => {
  it('a run of 1,000 requests of which half are refused ends well', async () => {
    server.refuse(0.5);
    const { finished, useful, requests, error } = await refusedRun(server, { way, calls: CALLS });
    expect(error).toBeUndefined();
    expect({ finished, useful }).toEqual({ finished: true, useful: CALLS });
    // Nearly one refusal for each request that was served, and some HEADs after lost answers.
    expect(requests).toBeGreaterThan(1.8 * CALLS);
    expect(requests).toBeLessThan(2.5 * CALLS);
  });

  it('a run without any progress gives up', async () => {
    server.refuse(1);
    const { finished, useful, requests, error, waitedMs } = await refusedRun(server, { way, calls: CALLS });
    expect({ finished, useful, code: error?.code }).toEqual({ finished: false, useful: 0, code: 'store-unavailable' });
    // A minute of patience at waits of up to five seconds, by 16 callers.
    expect(waitedMs).toBeGreaterThan(30_000);
    expect(requests).toBeLessThan(16 * 32);
  });

  it('four tries for each request, as once, do not bring it to its end', async () => {
    server.refuse(0.5);
    expect(await refusedRun(server, { way, calls: CALLS, triesMax: 4 })).toMatchObject({ finished: false });
  });
});
