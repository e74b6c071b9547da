/** What makes a pod not ready, part by part: what its processes say and what its own questions came to. */
import { expect, it } from 'vitest';
import { NOT_READY, type Readiness, readinessOf, type Seen } from '../../src/observe/readiness.ts';

const process = (...notReady: string[]) => ({ pid: 1, notReady });

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
  expect(broken({ processes: [process(NOT_READY.stopping)] })).toEqual({ running: ['stopping'] });
});

it('a server that one process cannot reach is not ready', () => {
  const compact = `the compact ${NOT_READY.queue}`;
  expect(broken({ processes: [process(), process(compact), process(compact)] })).toEqual({ queue: [compact] });
  expect(broken({ processes: [process(), process(NOT_READY.store)] })).toEqual({ store: [NOT_READY.store] });
  expect(broken({ processes: [process(NOT_READY.metadata)] })).toEqual({ metadata: [NOT_READY.metadata] });
});

it('one process that cannot work leaves the others; all of them are the pod', () => {
  const dead = 'process 1 has died';
  expect(broken({ processes: [process(), process(dead)] })).toEqual({});
  expect(broken({ processes: [process(dead), process(dead, NOT_READY.store)] })).toEqual({
    ...{ running: [dead], store: [NOT_READY.store] },
  });
});

it("the pod's own questions count, too", () => {
  expect(broken({ faults: { queue: 'no answer', metadata: 'none either' } })).toEqual({
    ...{ queue: ['no answer'], metadata: ['none either'] },
  });
});
