/** Sessions and wrong tokens, by a clock of the test: how long each counts, and how many are remembered. */
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { Door, isOwnForm, WRONG_MAX } from '../../src/console/door.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

function doorway() {
  let nowMs = 0;
  const wrong: string[] = [];
  const door = new Door(TOKEN, { monotonicMs: () => nowMs, onWrong: (remote) => wrong.push(remote) });
  const app = new Hono();
  app.get('/enter', (c) => {
    door.enter(c);
    return c.text('');
  });
  app.get('/who', async (c) => c.json((await door.visitor(c))?.csrf ?? null));
  const enter = async () => (await app.request('/enter')).headers.get('set-cookie')?.split(';')[0] ?? '';
  const who = async (cookie: string) => (await app.request('/who', { headers: { cookie } })).json();
  return { door, wrong, enter, who, pass: (ms: number) => (nowMs += ms) };
}

it('a session ends after twelve hours', async () => {
  const { enter, who, pass } = doorway();
  const cookie = await enter();
  pass(12 * 3_600_000 - 1);
  expect(await who(cookie)).toEqual(expect.any(String));
  pass(1);
  expect(await who(cookie)).toBeNull();
});

it('a thousand sessions are remembered, and the oldest goes', async () => {
  const { enter, who } = doorway();
  const [first, second] = [await enter(), await enter()];
  for (let n = 0; n < 999; n++) await enter();
  expect([await who(first), await who(second)]).toEqual([null, expect.anything()]);
});

it('wrong tokens never keep the right one out, whoever shares an address with whom; they are refused and reported less', async () => {
  const { door, wrong } = doorway();
  for (let n = 0; n < 50; n++) await door.judge('wrong', '10.0.0.1');
  expect(await door.judge('wrong', '10.0.0.1')).toBe('later');
  expect(await door.judge('wrong', '10.0.0.2')).toBe('wrong');
  for (let n = 0; n < 200; n++) await door.judge('wrong', `10.0.1.${n}`);
  expect(await door.judge('wrong', '10.0.0.3')).toBe('later');
  for (const remote of ['10.0.0.1', '10.0.0.3']) expect(await door.judge(TOKEN, remote)).toBe('right');
  // Each up to the maximum is reported, and no other: a flood of them is no flood of lines.
  expect(wrong).toHaveLength(100);
  expect(wrong.filter((remote) => remote === '10.0.0.1')).toHaveLength(WRONG_MAX);
});

it('a form carries the word of its own session', () => {
  expect(isOwnForm({ csrf: 'a' }, 'a')).toBe(true);
  for (const given of ['b', '', undefined]) expect(isOwnForm({ csrf: 'a' }, given)).toBe(false);
});
