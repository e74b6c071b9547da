/**
 * The short form of `npm run bench:lifecycle`: the peers and ours are replayed over the built-in lives, the targets that hold
 * are asserted, and what `docs/` shows is what was counted. Counts only, so no machine is too slow for it; the points of
 * the dial that are not needed here are taken from figures.json, which one point of it proves to be fresh. What the suite
 * replays of it is in lifecycle.test.ts.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEFAULT_POLICY, figuresOf, type Row, rowOf, type Total, totalOf } from '../../bench/lifecycle/figures.ts';
import { BUILT_IN, FIGURES, type KeptFigures } from '../../bench/lifecycle/files.ts';
import { readLives } from '../../bench/lifecycle/life.ts';
import { curvefs, juicefs, ours } from '../../bench/lifecycle/policies.ts';
import { syntheticLives } from '../../bench/lifecycle/synthetic.ts';

const TIMEOUT = { timeout: 300_000 };
const kept = JSON.parse(readFileSync(FIGURES, 'utf8')) as KeptFigures;
const lives = readLives(BUILT_IN);
const OURS = ours('s3compact', DEFAULT_POLICY);
/** What earlier releases did, and what `--storage-price 0` still does. */
const FREE = ours('s3compact (stored bytes free)', { ...DEFAULT_POLICY, storagePrice: 0 });
const fresh = figuresOf(lives, [curvefs, juicefs, OURS, FREE], []);

function total(policy: string): Total {
  const found = fresh.totals.find((one) => one.policy === policy);
  if (found === undefined) throw new Error(`no policy ${policy}`);
  return found;
}

function ourTotal(kib: number, storagePrice = DEFAULT_POLICY.storagePrice): Total {
  const policy = ours('s3compact', { ...DEFAULT_POLICY, bytesPerGet: kib * 1024, storagePrice });
  return totalOf(
    lives.map((life) => rowOf(life, policy)),
    's3compact',
  );
}

/** Lives on which a peer reads better and moves less. */
function beaten(rows: readonly Row[]): string[] {
  const peers = rows.filter(({ policy }) => policy === curvefs.name || policy === juicefs.name);
  return rows
    .filter(({ policy }) => policy === 's3compact')
    .flatMap((own) =>
      peers
        .filter((peer) => peer.life === own.life && peer.gets < own.gets && peer.movedBytes < own.movedBytes)
        .map((peer) => `${own.life}: ${peer.policy}`),
    );
}

describe('over the lives of ten real files', TIMEOUT, () => {
  it('stores at most 1.10 times what is visible after every flush of every life, with the default settings', () => {
    expect(total('s3compact').storedWorst).toBeLessThanOrEqual(1.1);
  });

  it('moves at most 28 % of the bytes of CurveFS with the default settings, and reads better wherever no hole is kept', () => {
    expect(total('s3compact').movedBytes).toBeLessThanOrEqual(0.28 * total('curvefs').movedBytes);
    const withoutHoles = (policy: string) =>
      totalOf(
        fresh.rows.filter(({ life }) => life !== 'qemu-raw'),
        policy,
      );
    expect(withoutHoles('s3compact').getsPerRead).toBeLessThanOrEqual(withoutHoles('curvefs').getsPerRead);
  });

  it('where stored bytes are free, moves at most 25 % of the bytes of CurveFS at no more GETs per full read', () => {
    const [own, peer] = [total('s3compact (stored bytes free)'), total('curvefs')];
    expect(own.getsPerRead).toBeLessThanOrEqual(peer.getsPerRead);
    expect(own.movedBytes).toBeLessThanOrEqual(0.25 * peer.movedBytes);
  });

  it('and at most 50 % of the bytes of JuiceFS at no more GETs, however the average is taken, with the dial at 400 KiB', () => {
    const [own, peer] = [ourTotal(400, 0), total('juicefs')];
    expect(own.getsPerRead).toBeLessThanOrEqual(peer.getsPerRead);
    expect(own.getsOfLives).toBeLessThanOrEqual(peer.getsOfLives);
    expect(own.movedBytes).toBeLessThanOrEqual(0.5 * peer.movedBytes);
  });

  it('and at most 40 % of the bytes of CurveFS where each life counts the same, with the dial at 2,000 KiB', () => {
    const [own, peer] = [ourTotal(2000, 0), total('curvefs')];
    expect(own.getsOfLives).toBeLessThanOrEqual(peer.getsOfLives);
    expect(own.movedBytes).toBeLessThanOrEqual(0.4 * peer.movedBytes);
  });

  it('no peer reads better and moves less on any life', () => {
    expect(beaten(fresh.rows)).toEqual([]);
  });

  it('makes fewer requests than either peer', () => {
    expect(total('s3compact').requests).toBeLessThan(Math.min(total('curvefs').requests, total('juicefs').requests));
  });
});

it('no peer reads better and moves less on a life that is made up', TIMEOUT, () => {
  expect(beaten(figuresOf(syntheticLives(), [curvefs, juicefs, ours('s3compact', DEFAULT_POLICY)], []).rows)).toEqual(
    [],
  );
});

it('figures.json is what a replay gives (npm run bench:lifecycle -- --write)', TIMEOUT, () => {
  for (const row of fresh.rows) expect(kept.real.rows).toContainEqual(row);
  expect(kept.real.dial).toContainEqual({ ...ourTotal(400), policy: 'dial', bytesPerGet: 400 * 1024 });
});
