/** What a run is said to wait for: the thing that somebody can do something about, and for how long. */
import { beforeEach, expect, it } from 'vitest';
import { RunWaits } from '../../src/wiring/run-waits.ts';
import { ServerSeen } from '../../src/wiring/server-health.ts';

let nowMs = 0;
let waits: RunWaits;
beforeEach(() => {
  nowMs = 0;
  waits = new RunWaits(() => nowMs);
});

it('works while S3 answers soon, and waits for it when it does not', () => {
  waits.began('s3');
  expect(waits.now()).toBeNull();
  nowMs = 1_500;
  expect(waits.now()).toEqual({ for: 's3', what: 'an answer', forMs: 1_500 });
  waits.ended('s3');
  expect(waits.now()).toBeNull();
});

it('names the limits of the process, from the last time that one was served', () => {
  waits.began('limit');
  waits.began('limit');
  nowMs = 400;
  waits.ended('limit');
  nowMs = 1_000;
  expect(waits.now(['the rate A', 'B'])).toEqual({ for: 'limit', what: 'the rate A, B', forMs: 600 });
  waits.ended('limit');
  expect(waits.now(['the rate A'])).toBeNull();
});

it('says how long ids must still grow old', () => {
  waits.began('memory');
  waits.ids(60_000);
  nowMs = 17_200;
  expect(waits.now()).toEqual({ for: 'ids', what: '43 s until the ids for new slices are old enough' });
  waits.ids(null);
  expect(waits.now()).toMatchObject({ for: 'memory' });
});

it('what S3 said counts more than anything else, until it serves', () => {
  waits.began('memory');
  waits.refused('answered 503');
  nowMs = 2_000;
  waits.refused('answered 503 again');
  expect(waits.now()).toEqual({ for: 's3', what: 'answered 503 again', forMs: 2_000 });
  waits.served();
  expect(waits.now()).toMatchObject({ for: 'memory' });
});

it('a server that is well again still tells its last error and its age', () => {
  const seen = new ServerSeen(() => nowMs);
  expect(seen.ages()).toEqual({});
  seen.failed('no route, https://user:secret@host/x');
  nowMs = 1_000;
  seen.failed('no route');
  expect(seen.ages()).toEqual({ failedAgoMs: 0, failingForMs: 1_000, error: 'no route' });
  nowMs = 3_000;
  seen.answered();
  nowMs = 4_000;
  expect(seen.ages()).toEqual({ answeredAgoMs: 1_000, failedAgoMs: 3_000, error: 'no route' });
});
