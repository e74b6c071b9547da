/**
 * The run's servers: a store that has not kept what it acknowledged. reap deletes nothing and says so, `repair` makes the
 * objects again, and everything goes on by itself.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { E2eWorld } from './world.ts';

const INODE = 10n;
const REAPED = 11n;
let world: E2eWorld;

beforeAll(async () => {
  world = await E2eWorld.open('repair');
  for (const inode of [INODE, REAPED]) {
    await world.writer.createInode(inode);
    for (let n = 0; n < 30; n++) await world.writer.write(inode, n * 1_000, 1_500);
  }
});
afterAll(() => world.close());

async function repair(inode: bigint, ...flags: string[]) {
  const { exitCode, stdout, stderr } = await world.command(['repair', '1', `${inode}`, '--json', ...flags]);
  if (stdout === '') throw new Error(stderr);
  const { objects } = JSON.parse(stdout) as { objects: { object: string; outcome: string }[] };
  return { exitCode, objects };
}

it('what is lost with its originals is named, and no repair is claimed', async () => {
  await world.compactFully(REAPED);
  await world.reapAll();
  const [lost = ''] = (await world.writer.referencedNames([REAPED])).filter((name) => !name.endsWith('_0'));
  await world.writer.deleteObjects([lost]);
  expect(await repair(REAPED, '--dry-run')).toMatchObject({
    exitCode: 4,
    objects: [{ object: lost, outcome: 'cannot' }],
  });
});

it('nothing is deleted on the word of an acknowledgement, and what is lost is made again', async () => {
  const originals = [...(await world.writer.bucketSizes()).keys()];
  const [report] = await world.compactFully(INODE);
  expect(report?.outcome).toBe('compacted');
  const merged = (await world.writer.referencedNames([INODE])).filter((name) => !name.endsWith('_0'));
  const lost = merged.filter((_, n) => n % 2 === 0);
  expect(lost.length).toBeGreaterThan(1);
  await world.writer.deleteObjects(lost);
  await expect(world.reapAll()).rejects.toThrow('S3CompactReapUnsafe');
  expect([...(await world.writer.bucketSizes()).keys()]).toEqual(expect.arrayContaining(originals));

  expect(await repair(INODE, '--dry-run')).toMatchObject({
    exitCode: 0,
    objects: lost.map(() => ({ outcome: 'can' })),
  });
  const made = await repair(INODE);
  expect(made.exitCode).toBe(0);
  expect(made.objects.map(({ object }) => object).toSorted()).toEqual(lost.toSorted());
  const verified = await world.command(['fsck', '1', `${INODE}`, '--read']);
  expect(verified.exitCode).toBe(0);
  expect(await world.writer.readFault(INODE)).toBe(null);
});
