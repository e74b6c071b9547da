/**
 * The pages of files: which file systems there are, and the worst files of one. It asks the queue for the states of the
 * listed files in two calls, whatever is in the queue.
 */
import { html } from 'hono/html';
import { printInodeKey } from '../format.ts';
import { BullmqKeys } from '../queue/bullmq-keys.ts';
import { wastedBytes } from '../scan/top-inodes.ts';
import { bytes, count } from '../view/words.ts';
import type { Clients } from '../wiring/clients.ts';
import { fileLink, type Html, note, type PageOptions, table } from './page.ts';
import type { Sample } from './sampler.ts';
import { FILES_MAX, type WorstFile, type WorstFiles } from './worst-files.ts';

/** File systems that are listed. */
const FILESYSTEMS_MAX = 100;

/** Which file systems a scan, a job or a pause tells of. */
export function filesystemsPage({ report }: Sample): PageOptions {
  const known = new Set([
    ...(report?.scans ?? []).map(({ fsId }) => fsId),
    ...(report?.inFlight ?? []).map(({ fsId }) => fsId),
    ...(report?.paused.filesystems ?? []).map(({ fsId }) => fsId),
  ]);
  const links = [...known]
    .toSorted((a, b) => a - b)
    .slice(0, FILESYSTEMS_MAX)
    .map((fsId) => html`<li><a href="/files/${fsId}">file system ${fsId}</a></li>`);
  const body = html`<p>The worst files of a file system, or one file by the number of its inode.</p>
${searchForm()}
<h2>Known file systems</h2>
<p>Those that were scanned, are paused or have a job that runs; any other is found by its number.</p>
${links.length === 0 ? note('No scan has ended and no job runs: give the number of the file system.') : html`<ul>${links}</ul>`}`;
  return { title: 'Files', at: '/files', body };
}

function searchForm(fsId?: number): Html {
  return html`<form action="/files" method="get" class="search">
<label>file system <input name="fs" inputmode="numeric" pattern="[0-9]{1,10}" required value="${fsId ?? ''}"></label>
<label>inode <input name="inode" inputmode="numeric" pattern="[0-9]{1,20}"></label>
<button>Show</button>
</form>`;
}

/** The head of each column that files may be sorted by, and its value. */
const SORTS = {
  score: { head: 'score', value: ({ score }: WorstFile) => score },
  chunks: { head: 'chunks worth it', value: ({ backlog }: WorstFile) => backlog.chunksWorthIt },
  versions: { head: 'versions', value: ({ before }: WorstFile) => before.versions },
  gets: { head: 'GETs of a full read', value: ({ before }: WorstFile) => before.gets },
  saved: { head: 'GETs saved', value: ({ backlog }: WorstFile) => backlog.getsSaved },
  waste: { head: 'waste', value: ({ backlog }: WorstFile) => wastedBytes(backlog) },
  move: { head: 'to move', value: ({ backlog }: WorstFile) => backlog.bytesToMove },
} as const;
type Sort = keyof typeof SORTS;

export function sortOf(text: string | undefined): Sort {
  return text !== undefined && Object.hasOwn(SORTS, text) ? (text as Sort) : 'score';
}

/** The worst files that were found so far. */
export function worstFilesPage(found: WorstFiles, states: ReadonlyMap<string, string>, sort: Sort): PageOptions {
  const { filesystem, files, looked, worthIt, whole } = found;
  const { fsId } = filesystem;
  const { value } = SORTS[sort];
  const rows = files
    .toSorted((a, b) => value(b) - value(a))
    .slice(0, FILES_MAX)
    .map(({ key, score, before, backlog }) => [
      fileLink(key.fsId, key.inodeId.toString()),
      score.toFixed(2),
      count(backlog.chunksWorthIt),
      count(before.versions),
      count(before.gets),
      count(backlog.getsSaved),
      bytes(wastedBytes(backlog)),
      bytes(backlog.bytesToMove),
      states.get(printInodeKey(key)) ?? 'quiet',
    ]);
  const sorts = (Object.keys(SORTS) as Sort[]).map((name) => ({
    head: html`<a href="/files/${fsId}?sort=${name}">${SORTS[name].head}</a>`,
    number: true as const,
    sort: name === sort ? ('descending' as const) : undefined,
  }));
  const seen = `${count(looked)} files looked at, ${count(worthIt)} of them worth a run`;
  const body = html`<p>${seen}; versions and GETs are those of the chunks that are worth it. ${whole ? 'That is the whole file system.' : html`There are more: <a href="/files/${fsId}?sort=${sort}">look further</a>.`}</p>
${searchForm(fsId)}
${rows.length === 0 ? note('Nothing that was looked at is worth a run.') : table(`Worst files of file system ${fsId}`, ['file', ...sorts, 'state'], rows)}`;
  const name = filesystem.name === '' ? `file system ${fsId}` : filesystem.name;
  return { title: `Worst files of ${name}`, at: '/files', body };
}

/** What happens with each of the files; two calls. quiet: no job stands for it. */
export async function statesOf(
  files: readonly WorstFile[],
  clients: Clients,
  { report }: Sample,
): Promise<Map<string, string>> {
  const keys = files.slice(0, FILES_MAX).map(({ key }) => key);
  if (keys.length === 0) return new Map();
  const { queue } = clients.queue;
  const [quarantined, holders] = await Promise.all([
    clients.quarantine.among(keys),
    new BullmqKeys(clients.status.connection, queue).holders(keys.map(printInodeKey)),
  ]);
  const running = new Set(report?.inFlight.map((one) => printInodeKey(one)));
  return new Map(
    keys.map((key, n) => {
      const name = printInodeKey(key);
      if (quarantined.has(name)) return [name, 'quarantined'];
      if (running.has(name)) return [name, 'running'];
      return [name, (holders[n] ?? null) === null ? 'quiet' : 'waiting'];
    }),
  );
}
