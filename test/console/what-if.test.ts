/** The dial of one file: figures of the planner itself, today's setting marked, and nothing for settings that find nothing. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askDial, dialPage, dialSettings } from '../../src/console/what-if.ts';
import { ConsoleWorld } from './world.ts';

const KEY = { fsId: 1, inodeId: 500n };
const { signal } = new AbortController();
let console: ConsoleWorld;

beforeAll(async () => {
  console = await ConsoleWorld.open('what-if', {
    env: { S3COMPACT_FRAGMENT_THRESHOLD: '1', S3COMPACT_AGGRESSIVENESS: '6000' },
  });
  await console.store(KEY.inodeId);
});
afterAll(() => console.close());

it('goes from nothing to a chunk, with today in its place, once', () => {
  expect(dialSettings(2 ** 26, 768 * 1024).map((setting) => setting / 1024)).toEqual([
    0, 64, 128, 256, 512, 768, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536,
  ]);
  expect(dialSettings(65_536, 64)).toHaveLength(12);
  expect(Math.max(...dialSettings(2 ** 40, 0))).toBeLessThanOrEqual(2 ** 30);
});

it('says of each setting what scan and plan say with it', async () => {
  const points = await askDial(KEY, console.world.clients, signal);
  expect(points.filter(({ isToday }) => isToday).map(({ setting }) => setting)).toEqual([6000]);
  const gets = points.map(({ finding }) => finding.backlog.getsSaved);
  expect(new Set(gets).size).toBeGreaterThan(2);
  expect(gets.at(-1)).toBe(Math.max(...gets));
  for (const { setting, finding } of [points.at(-1), points.find(({ isToday }) => isToday)].filter(
    (one) => one !== undefined,
  )) {
    const budget = ['--max-bytes', '1GiB', '--max-requests', '100000', '--max-chunks', '1000'];
    const { stdout } = await console.world.command([
      'plan',
      '1',
      '500',
      '--json',
      '--aggressiveness',
      `${setting}`,
      ...budget,
    ]);
    const plan = JSON.parse(stdout) as {
      readonly gain: Readonly<Record<string, number>>;
      readonly cost: Readonly<Record<string, number>>;
    };
    const { gain, cost } = plan;
    expect(finding.backlog).toMatchObject({
      getsSaved: (gain['getsBefore'] ?? 0) - (gain['getsAfter'] ?? 0),
      bytesToMove: (cost['readBytes'] ?? 0) + (cost['writeBytes'] ?? 0),
    });
  }
});

it('draws a dot for each setting inside the picture, and says it in a table', async () => {
  const points = await askDial(KEY, console.world.clients, signal);
  const text = String(await dialPage(KEY, points).body);
  const dots = [...text.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="\d" class="(\w*)">/g)];
  expect(dots).toHaveLength(points.length);
  for (const [, x, y] of dots) {
    expect(Number(x)).toBeGreaterThanOrEqual(56);
    expect(Number(x)).toBeLessThanOrEqual(624);
    expect(Number(y)).toBeGreaterThanOrEqual(16);
    expect(Number(y)).toBeLessThanOrEqual(224);
  }
  expect(dots.at(-1)?.[3]).toBe('today');
  expect(text).toContain('<strong>6000B, today</strong>');
  expect(text.match(/<tr>/g)).toHaveLength(points.length + 1);
  expect(await console.text('/files/1/500/what-if')).toContain('<svg class="dial"');
});

it('a file in which nothing is worth moving has no curve', async () => {
  const [zero] = await askDial(KEY, console.world.clients, signal);
  if (zero === undefined) throw new Error('no point');
  const none = { ...zero, finding: { ...zero.finding, score: 0 } };
  expect(String(await dialPage(KEY, [none]).body)).toContain('No setting finds anything');
});

it('knows, as a run does, what was written lately', async () => {
  const { clients } = console.world;
  const saved = async () =>
    (await askDial(KEY, clients, signal)).find(({ isToday }) => isToday)?.finding.backlog.getsSaved;
  const filesystem = await clients.metadata.getFilesystem(KEY.fsId);
  const before = await saved();
  expect(before).toBeGreaterThan(0);
  const notes = `${clients.settings.queuePrefix}:ids:${filesystem?.uuid}`;
  await clients.status.connection.rpush(notes, `${Date.now() - 3_600_000} 0`);
  expect(await saved()).toBeLessThan(before ?? 0);
  await clients.status.connection.del(notes);
});
