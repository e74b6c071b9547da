/** The journal is what a chaos run is judged by: what Redis kept, what it lost, and what nobody knows yet. */
import { expect, it } from 'vitest';
import { content } from '../kit/oracle/content.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import { Gate } from './gate.ts';
import { Journal } from './journal.ts';

function version(chunkId: bigint, offset: number, len: number): OracleVersion {
  return { chunkId, compaction: 0n, offset, len, size: len, zero: false };
}

function journalOf(...acked: readonly (number | undefined)[]): Journal {
  const journal = new Journal(7n);
  for (const [n, ackedAtMs] of acked.entries()) {
    const entry = { version: version(BigInt(n + 1), 8 * n, 8), length: 8 * (n + 1) };
    journal.add(ackedAtMs === undefined ? entry : { ...entry, ackedAtMs });
  }
  return journal;
}

it('an entry of unknown outcome is an entry when Redis has its number', () => {
  const journal = journalOf(1, undefined);
  expect(journal.unsettled).toBe(true);
  expect(journal.settle(2, 5)).toEqual({ applied: 1, gone: [] });
  expect(journal.unsettled).toBe(false);
  expect([journal.count, journal.length]).toEqual([2, 16]);
});

it('what Redis lost is gone from the history, and is reported with the time of its answer', () => {
  const journal = journalOf(1, 2, 3, undefined);
  const before = journal.history();
  const { applied, gone } = journal.settle(1, 5);
  expect(applied).toBe(0);
  expect(gone.map(({ ackedAtMs }) => ackedAtMs)).toEqual([2, 3, undefined]);
  expect([journal.count, journal.length]).toEqual([1, 8]);
  // A reader of the lists as they were is still judged by what was then.
  const bytes = Buffer.concat([content(1n, 0, 8), content(2n, 8, 16)]);
  expect(before.mismatch(bytes)).toBeNull();
  expect(journal.history().mismatch(bytes)).toMatch('file offset 8 ');
  expect(journal.history().mismatch(bytes.subarray(0, 8))).toBeNull();
});

it('the gate lets nobody in while it is closed, and waits for what was sent before', async () => {
  const gate = new Gate();
  const sent = Promise.withResolvers<void>();
  const call = gate.sending(sent.promise);
  const { life } = gate;
  gate.close();
  const order: string[] = [];
  const entered = gate.opened().then(() => order.push('entered'));
  const drained = gate.drained().then(() => order.push('drained'));
  sent.resolve();
  await Promise.all([call, drained]);
  gate.reopen();
  await entered;
  expect(order).toEqual(['drained', 'entered']);
  expect(gate.life).toBe(life + 1);
});
