/**
 * The page of what is stuck: each list with its reasons, and below its head what the runbook says to do. A function of what
 * was asked (`src/view/stuck.ts`). It asks nothing.
 */
import { html } from 'hono/html';
import { decimalId, decimalNumber } from '../format.ts';
import type { ListedJob, ListedRecord } from '../queue/status-lists.ts';
import { reasonText, whyOverdue } from '../view/job-text.ts';
import { type Advice, RUNBOOK } from '../view/runbook.ts';
import type { HoldListed } from '../view/status-report.ts';
import { PART_ROWS, type Stuck, type StuckPlaces } from '../view/stuck.ts';
import { bytes, count, duration, plural } from '../view/words.ts';
import { type Forms, releaseForm } from './forms.ts';
import { cut, fileLink, type Html, note, type PageOptions, table, timeAt } from './page.ts';
import type { Sample } from './sampler.ts';

/** Where the lists begin, as the address says; what cannot be read is the beginning. */
export function placesOf(query: (name: string) => string | undefined): StuckPlaces {
  const from = (name: string) => decimalNumber(query(name)) ?? 0;
  return {
    quarantine: `${decimalId(query('quarantine')) ?? 0n}`,
    failed: from('failed'),
    delayed: from('delayed'),
    records: from('records'),
  };
}

interface StuckContext {
  readonly places: StuckPlaces;
  readonly sample: Sample;
  readonly forms: Forms | undefined;
}

export function stuckPage(stuck: Stuck, { places, sample, forms }: StuckContext): PageOptions {
  const { failed, delayed, records, holds } = stuck;
  const body = html`<p>What waits for a person, or for a time. Nothing here is lost, and nothing of it is deleted.</p>
${section({ id: 'quarantine', name: 'Quarantine', sum: plural(stuck.quarantined, 'inode'), advice: [RUNBOOK.quarantined], list: quarantine(stuck, forms) })}
${section({ id: 'failed', name: 'Given up', sum: plural(failed.total, 'job'), advice: [RUNBOOK.halted, RUNBOOK.givenUp], list: jobs('failed', stuck, places) })}
${section({ id: 'delayed', name: 'Delayed', sum: plural(delayed.total, 'job'), advice: [RUNBOOK.failing], list: jobs('delayed', stuck, places) })}
${section({ id: 'records', name: 'Reap records', sum: recordsSum(stuck, sample), advice: [RUNBOOK.overdue, RUNBOOK.doubt], list: recordsTable(stuck, sample, records.more ? places.records + PART_ROWS : undefined) })}
${section({ id: 'holds', name: 'Holds', sum: holds.unknown === undefined ? `${plural(holds.total, 'hold')}, ${plural(holds.objects, 'object')} and ${bytes(holds.bytes)} kept at least` : `not known: ${holds.unknown}`, advice: [RUNBOOK.holds], list: holdsTable(stuck) })}`;
  return { title: 'Stuck', at: '/stuck', body };
}

interface Section {
  readonly id: keyof StuckPlaces | 'holds';
  readonly name: string;
  readonly sum: string;
  readonly advice: readonly Advice[];
  readonly list: Html;
}

function section({ id, name, sum, advice, list }: Section): Html {
  const words = advice.map(
    ({ heading, words: text }) => html`<p>${codes(text)} <span class="more">(runbook: ${heading})</span></p>`,
  );
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${name}</h2><p>${sum}.</p>
<details><summary>What to do</summary>${words}</details>${list}</section>`;
}

/** Text with code between backticks. */
function codes(text: string): Html {
  return html`${text.split('`').map((part, n) => (n % 2 === 0 ? part : html`<code>${part}</code>`))}`;
}

function quarantine({ quarantine: { inodes, next }, nowMs }: Stuck, forms: Forms | undefined): Html {
  const rows = inodes
    .toSorted((a, b) => b.sinceMs - a.sinceMs)
    .map(({ key, sinceMs, lookAtMs, code, reason }) => [
      fileLink(key.fsId, key.inodeId.toString()),
      timeAt(sinceMs),
      lookAtMs === undefined ? 'a person' : `a look ${inTime(lookAtMs, nowMs)}`,
      html`<strong>${code}</strong>: ${cut(reason)}`,
      html`<code>s3compact fsck ${key.fsId} ${key.inodeId}</code>`,
      ...(forms === undefined ? [] : [releaseForm(forms, key)]),
    ]);
  const heads = ['inode', 'since', 'waits for', 'reason', 'evidence', ...(forms === undefined ? [] : ['act'])];
  return listed('Quarantine', heads, { rows, id: 'quarantine', next: next ?? undefined });
}

function jobs(id: 'failed' | 'delayed', stuck: Stuck, places: StuckPlaces): Html {
  const { total, jobs: all } = stuck[id];
  const when = ({ endedMs, nextMs }: ListedJob) => {
    if (id === 'delayed') return inTime(nextMs ?? 0, stuck.nowMs);
    return endedMs === undefined ? '' : timeAt(endedMs);
  };
  const rows = all.map((job) => [
    fileLink(job.fsId, job.inodeId),
    job.origin,
    count(job.tries),
    when(job),
    cut(reasonText(job)),
  ]);
  const heads = ['file', 'asked by', 'tries', id === 'failed' ? 'when' : 'next try', 'reason'];
  const next = places[id] + PART_ROWS;
  return listed(id === 'failed' ? 'Given up' : 'Delayed', heads, { rows, id, next: next < total ? next : undefined });
}

function recordsSum({ records }: Stuck, { report }: Sample): string {
  const late = report === undefined ? 'not known how many are overdue' : `${count(report.reap.overdue)} overdue`;
  return `${late}, ${count(records.recordsInDoubt.length)} in doubt among those looked through`;
}

function recordsTable({ records, nowMs }: Stuck, { report }: Sample, next: number | undefined): Html {
  const overdue = report === undefined ? 'nobody has looked yet' : whyOverdue(report);
  const row = (record: ListedRecord, when: string, why: string) => [
    fileLink(record.fsId, record.inodeId),
    count(record.chunkIndex),
    when,
    cut(record.doubt ?? why),
  ];
  const rows = [
    ...records.overdueRecords.map((one) => row(one, `${duration(nowMs - one.dueMs)} late`, overdue)),
    ...records.recordsInDoubt.map((one) =>
      row(one, inTime(one.dueMs, nowMs), `in doubt ${plural(one.doubts, 'time')} in a row`),
    ),
  ];
  return listed('Reap records', ['file', 'chunk', 'next look', 'why it is not done'], { rows, id: 'records', next });
}

function holdsTable({ holds: { holds, total, unknown }, nowMs }: Stuck): Html {
  if (unknown !== undefined) return html``;
  const end = ({ untilMs }: HoldListed) => (untilMs === undefined ? 'when it is released' : inTime(untilMs, nowMs));
  const rows = holds.map((hold) => [
    html`<a href="/files/${hold.fsId}">${hold.fsId}</a>`,
    hold.id,
    hold.by ?? '',
    hold.sinceMs === undefined ? '' : timeAt(hold.sinceMs),
    end(hold),
    `${hold.state === 'doubt' ? 'in doubt; ' : ''}${cut(hold.reason ?? '')}`,
  ]);
  const more = total > holds.length ? note(`and ${count(total - holds.length)} more: s3compact hold list`) : '';
  const heads = ['file system', 'hold', 'made by', 'since', 'ends', 'reason'];
  return html`${listed('Holds', heads, { rows, id: 'holds', next: undefined })}${more}`;
}

function inTime(ms: number, nowMs: number): string {
  return ms <= nowMs ? 'now' : `in ${duration(ms - nowMs)}`;
}

interface Listed {
  readonly id: string;
  readonly rows: readonly (readonly (string | Html)[])[];
  /** Where the next part begins. */
  readonly next: number | string | undefined;
}

function listed(caption: string, heads: readonly string[], { rows, id, next }: Listed): Html {
  const shown =
    rows.length === 0 ? note(next === undefined ? 'None.' : 'None in this part.') : table(caption, heads, rows);
  const more = next === undefined ? '' : html`<p><a href="/stuck?${id}=${next}#${id}">Further in: ${caption}</a></p>`;
  return html`${shown}${more}`;
}
