/** What makes a pod not ready, part by part: what its processes say and what its own questions came to. */
import { expect, it } from 'vitest';
import { type NotReady, type Readiness, readinessOf, type Seen } from '../../src/observe/readiness.ts';

const process = (...notReady: NotReady[]) => ({ pid: 1, notReady });

const STORE: NotReady = { code: 'store', what: 'S3 does not answer' };
const METADATA: NotReady = { code: 'metadata', what: 'the metadata service does not answer' };

function broken(seen: Partial<Seen>): Record<string, readonly string[]> {
  const { ready, parts }: Readiness = readinessOf({ processes: [process()], faults: {}, ...seen });
  const parted = Object.entries(parts).filter(([, part]) => !part.ready);
  expect(ready).toBe(parted.length === 0);
  return Object.fromEntries(parted.map(([name, { reasons }]) => [name, reasons]));
}

it('is ready when every part is', () => {
  expect(broken({})).toEqual({});
});

it('is not before anything was started, nor while it stops', () => {
  expect(broken({ processes: [] })).toEqual({ running: ['no worker process has been started yet'] });
  expect(broken({ processes: [process({ code: 'running', what: 'stopping' })] })).toEqual({ running: ['stopping'] });
});

it('a server that one process cannot reach is not ready', () => {
  const compact: NotReady = { code: 'queue', what: 'the compact queue is not reachable' };
  expect(broken({ processes: [process(), process(compact), process(compact)] })).toEqual({ queue: [compact.what] });
  expect(broken({ processes: [process(), process(STORE)] })).toEqual({ store: [STORE.what] });
  expect(broken({ processes: [process(METADATA)] })).toEqual({ metadata: [METADATA.what] });
});

it('goes by the code, whatever the words are', () => {
  const what = 'S3 refuses: the queue is not reachable';
  expect(broken({ processes: [process({ code: 'refused', what })] })).toEqual({ store: [what] });
  expect(broken({ processes: [process({ code: 'queue', what })] })).toEqual({ queue: [what] });
});

it('one process that cannot work leaves the others; all of them are the pod', () => {
  const dead: NotReady = { code: 'running', what: 'process 1 has died' };
  expect(broken({ processes: [process(), process(dead)] })).toEqual({});
  expect(broken({ processes: [process(dead), process(dead, STORE)] })).toEqual({
    running: [dead.what],
    store: [STORE.what],
  });
});

it("the pod's own questions count, too", () => {
  expect(broken({ faults: { queue: 'no answer', metadata: 'none either' } })).toEqual({
    queue: ['no answer'],
    metadata: ['none either'],
  });
});
