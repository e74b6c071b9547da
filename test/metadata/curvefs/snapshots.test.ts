/** What a walk over chunk indexes keeps of an inode: each list is given once, and only while it is young. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Snapshots } from '../../../src/metadata/curvefs/snapshots.ts';
import { INODE, KEY, versions } from '../world.ts';

const WHOLE = { inode: INODE, lists: new Map([[3, versions(0, 4)]]) };
let nowMs = 0;
let snapshots: Snapshots;

beforeEach(() => {
  nowMs = 5_000;
  snapshots = new Snapshots(() => nowMs);
});

describe('a list of an inode that is being walked', () => {
  it('is given once', () => {
    snapshots.keep(KEY, WHOLE);
    expect(snapshots.take(KEY, 3)).toBe(WHOLE);
    expect(snapshots.take(KEY, 3)).toBeNull();
  });

  it('is believed for a second, and not for longer', () => {
    snapshots.keep(KEY, WHOLE);
    nowMs += 1_001;
    expect(snapshots.take(KEY, 3)).toBeNull();
    nowMs -= 1;
    expect(snapshots.take(KEY, 3)).toBe(WHOLE);
  });

  it('goes with the walk, but not with an earlier one', () => {
    const forget = snapshots.keep(KEY, WHOLE);
    const forgetLater = snapshots.keep(KEY, WHOLE);
    forget();
    expect(snapshots.take(KEY, 3)).toBe(WHOLE);
    snapshots.keep(KEY, WHOLE);
    forgetLater();
    expect(snapshots.take(KEY, 3)).toBe(WHOLE);
  });

  it('is of this inode and this chunk', () => {
    snapshots.keep(KEY, WHOLE);
    expect(snapshots.take({ ...KEY, fsId: 8 }, 3)).toBeNull();
    expect(snapshots.take(KEY, 4)).toBeNull();
  });
});
