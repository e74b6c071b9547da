/** Asking for holds may take the listing of a thousand buckets: it ends soon after nobody waits for it any more. */
import { expect, it } from 'vitest';
import { standingHolds } from '../../src/wiring/holds.ts';

it('asks no further bucket once it is given up', async () => {
  const reader = new AbortController();
  let listed = 0;
  const clients = {
    holdBook: { filesystems: async () => [1, 2, 3] },
    metadata: { getFilesystem: async (fsId: number) => ({ fsId }) },
    holds: {
      list: async () => {
        if (++listed === 2) reader.abort();
        return [];
      },
    },
  } as unknown as Parameters<typeof standingHolds>[0];
  await expect(standingHolds(clients, { signal: reader.signal })).rejects.toMatchObject({ code: 'cancelled' });
  expect(listed).toBe(2);
  expect(await standingHolds(clients)).toEqual([]);
});
