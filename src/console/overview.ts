/**
 * The overview: the chain from scan to reap with live numbers, what is wrong, what is done, the servers, the worst file
 * systems. A function of one sample: the same sample gives the same HTML, and nothing is asked.
 */
import { html } from 'hono/html';
import { COMPACT_QUEUE, REAP_QUEUE } from '../queue/compact-queue.ts';
import { wastedBytes } from '../scan/top-inodes.ts';
import { jobStateText } from '../view/job-text.ts';
import type { ServerHealth, StatusReport } from '../view/status-report.ts';
import { bytes, count, duration, plural } from '../view/words.ts';
import { cut, fileLink, type Html, note, numbers, table } from './page.ts';
import type { Minute, Sample } from './sampler.ts';

/** Rows of each list. */
const ROWS_MAX = 20;

/** `prometheus`: where the long history is. */
export function overview({ report, error, minutes }: Sample, prometheus?: string): Html {
  const away = error === undefined ? '' : html`<p class="problem act" role="alert">Not known now: ${error}</p>`;
  if (report === undefined) return html`${away}`;
  return html`${away}
${problems(report)}
<section aria-labelledby="chain-head"><h2 id="chain-head">The chain</h2>${chain(report)}</section>
<section aria-labelledby="hour-head"><h2 id="hour-head">The last hour</h2>${hour(minutes, prometheus)}</section>
<section aria-labelledby="work-head"><h2 id="work-head">Being worked on</h2>${inFlight(report)}</section>
<section aria-labelledby="servers-head"><h2 id="servers-head">Servers</h2>${servers(report)}</section>
<section aria-labelledby="worst-head"><h2 id="worst-head">Worst file systems</h2>${worst(report)}</section>`;
}

function problems({ problems: all }: StatusReport): Html {
  if (all.length === 0) return html`<p class="problem well">Nothing is wrong.</p>`;
  const lines = all.slice(0, ROWS_MAX).map(({ need, what, advice }) => {
    const mark = need === 'act' ? 'ACT' : 'wait';
    return html`<li class="problem ${need}"><strong>${mark}</strong> ${cut(what)}; ${advice}</li>`;
  });
  return html`<ul class="problems" aria-label="What is wrong">${lines}</ul>
<p><a href="/stuck">What is stuck, and what to do</a></p>`;
}

function chain(report: StatusReport): Html {
  const [compact, reap] = [COMPACT_QUEUE, REAP_QUEUE].map((name) => report.queues.find((queue) => queue.name === name));
  const left = report.scans.reduce((sum, { backlog }) => sum + backlog.inodesWorthIt, 0);
  const oldest = Math.min(...report.scans.map(({ endedMs }) => report.nowMs - endedMs));
  const scanned = report.scans.length === 0 ? 'no scan has ended' : `last one ${duration(oldest)} ago`;
  const workers = report.workers === null ? 'workers not known' : plural(report.workers, 'worker');
  return html`<ol class="chain">
${step('scan', count(left), 'files were worth a run', scanned)}
${step('queue', count(compact?.waiting ?? 0), compact?.paused === true ? 'waiting, paused' : 'waiting', waited(compact?.oldestWaitingMs ?? 0, compact?.delayed ?? 0))}
${step('running', count(compact?.active ?? 0), 'being compacted', `${workers}, ${count(report.failed.total)} given up`)}
${step('reap', count(report.reap.pending), reap?.paused === true ? 'records, paused' : 'records', `${count(report.reap.due)} due, ${count(report.reap.overdue)} overdue`)}
</ol>`;
}

function step(name: string, number: string, what: string, more: string): Html {
  return html`<li><h3>${name}</h3><p><strong>${number}</strong> ${what}</p><p class="more">${more}</p></li>`;
}

function waited(oldestMs: number, delayed: number): string {
  return `oldest for ${duration(oldestMs)}, ${count(delayed)} delayed`;
}

function hour(minutes: readonly Minute[], prometheus: string | undefined): Html {
  const history = prometheus === undefined ? 'Prometheus' : html`<a href="${withoutUser(prometheus)}">Prometheus</a>`;
  return html`<div class="curves">
${curve('Runs', minutes, ({ runs }) => runs, count)}
${curve('GETs saved', minutes, ({ getsSaved }) => getsSaved, count)}
${curve('Bytes moved', minutes, ({ bytesMoved }) => bytesMoved, bytes)}
</div>
${note(html`A bar for each minute that this console has seen, ${plural(minutes.length, 'minute')} so far. ${history} has the long history.`)}`;
}

/** No secret is ever in a page. */
function withoutUser(text: string): string {
  const url = new URL(text);
  [url.username, url.password] = ['', ''];
  return url.href;
}

const CURVE = { width: 240, height: 48, bars: 60 };

function curve(
  name: string,
  minutes: readonly Minute[],
  numberOf: (minute: Minute) => number,
  words: (value: number) => string,
): Html {
  const values = minutes.map(numberOf);
  const most = Math.max(1, ...values);
  const sum = words(values.reduce((all, value) => all + value, 0));
  const step = CURVE.width / CURVE.bars;
  const bars = values.map((value, n) => {
    const height = Math.max(value === 0 ? 0 : 1, (CURVE.height * Math.max(0, value)) / most);
    const x = CURVE.width - (values.length - n) * step;
    return html`<rect x="${x}" y="${(CURVE.height - height).toFixed(1)}" width="${step - 1}" height="${height.toFixed(1)}"></rect>`;
  });
  return html`<figure><figcaption>${name}: <strong>${sum}</strong></figcaption>
<svg class="curve" viewBox="0 0 ${CURVE.width} ${CURVE.height}" role="img" aria-label="${name} in each minute, ${sum} in all, ${words(Math.max(0, ...values))} at most">${bars}</svg></figure>`;
}

function inFlight({ inFlight: jobs }: StatusReport): Html {
  if (jobs.length === 0) return note('Nothing is being worked on.');
  const rows = jobs
    .slice(0, ROWS_MAX)
    .map((job) => [fileLink(job.fsId, job.inodeId), job.origin, duration(job.ageMs), cut(jobStateText(job))]);
  return html`${table('Being worked on', ['file', 'asked by', 'for', 'progress'], rows)}${more(jobs.length)}`;
}

function servers({ health, paused, nowMs }: StatusReport): Html {
  const rows = health.servers.slice(0, ROWS_MAX).map((server) => [server.name, stateOf(server), lastError(server)]);
  const pauses = [
    ...(paused.compact ? ['compacting is paused everywhere'] : []),
    ...(paused.reap ? ['deleting is paused everywhere'] : []),
    ...paused.filesystems
      .slice(0, ROWS_MAX)
      .map(({ fsId, sinceMs, by }) => `file system ${fsId} is paused for ${duration(nowMs - sinceMs)}, by ${by}`),
  ];
  const lines =
    pauses.length === 0 ? note('Nothing is paused.') : html`<ul>${pauses.map((text) => html`<li>${text}</li>`)}</ul>`;
  return html`${table('Servers', ['server', 'state', 'last error'], rows)}${more(health.servers.length)}${lines}`;
}

function stateOf({ state, failingForMs }: ServerHealth): Html {
  if (state === 'failing') return html`<strong class="bad">failing</strong> for ${duration(failingForMs ?? 0)}`;
  return html`${state === 'ok' ? 'ok' : 'not asked'}`;
}

function lastError({ error, failedAgoMs }: ServerHealth): string {
  if (error === undefined) return '';
  return failedAgoMs === undefined ? cut(error) : `${duration(failedAgoMs)} ago: ${cut(error)}`;
}

function worst({ scans, nowMs }: StatusReport): Html {
  if (scans.length === 0) return note('No scan has ended yet: "s3compact scan FS" counts what there is to do.');
  const rows = scans
    .toSorted((a, b) => b.backlog.getsSaved - a.backlog.getsSaved)
    .slice(0, ROWS_MAX)
    .map(({ fsId, endedMs, backlog }) => [
      html`<a href="/files/${fsId}">${fsId}</a>`,
      ...[backlog.inodesWorthIt, backlog.getsSaved].map(count),
      bytes(wastedBytes(backlog)),
      bytes(backlog.bytesToMove),
      `${duration(nowMs - endedMs)} ago`,
    ]);
  const columns = numbers(['file system', 'files worth a run', 'GETs saved', 'waste', 'to move', 'scanned']);
  const asOf = note('As the scan found it: what runs have done since then is not taken off.');
  return html`${table('Worst file systems', columns, rows)}${more(scans.length)}${asOf}`;
}

function more(total: number): Html {
  return total <= ROWS_MAX ? html`` : note(`and ${count(total - ROWS_MAX)} more`);
}
