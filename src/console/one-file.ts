/**
 * The page of one file: its chunks before and after the next run, drawn from the plan that the run would follow, its state
 * and its runs as far as the queue keeps them. It reads metadata and the queue, and changes nothing.
 */
import { html } from 'hono/html';
import { planAsItIs, planPolicy, withRest } from '../compact/choose-chunks.ts';
import type { PlannedChunk } from '../compact/types.ts';
import { throwIfCancelled } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import type { SliceGain } from '../layout/slices/index.ts';
import { requireFile, requireFilesystem } from '../metadata/lookup.ts';
import type { Filesystem, Inode, InodeKey, PlanGain } from '../model.ts';
import type { QuarantineEntry } from '../queue/quarantine.ts';
import { type EndedRun, endedRuns } from '../queue/status-lists.ts';
import { gainRows } from '../view/gain.ts';
import { jobStateText } from '../view/job-text.ts';
import { chunkAfter, type PlanReport, stepsOfRun, Tally } from '../view/plan-steps.ts';
import { bytes, count, plural } from '../view/words.ts';
import { cancellable } from '../wiring/cancellable.ts';
import type { Clients } from '../wiring/clients.ts';
import { chunkMaps } from './chunk-map.ts';
import { type Html, linkTo, live, note, numbers, type PageOptions, table, timeAt } from './page.ts';
import type { Sample } from './sampler.ts';

/** Chunks that are drawn on one page; each other one by its link. */
const DRAWN_MAX = 3;
/** Chunks that have a link. */
const LINKS_MAX = 500;
const RUNS_MAX = 50;
const GIVEN_UP = 'the page was given up';

interface OneFile {
  readonly key: InodeKey;
  readonly filesystem: Filesystem;
  readonly inode: Inode;
  readonly quarantine: QuarantineEntry | null;
  readonly queued: boolean;
  readonly runs: readonly EndedRun[];
  /** What the next run would do. */
  readonly plan: PlanReport;
  /** The chunk that was asked for, or the first of the run. */
  readonly drawn: readonly PlannedChunk[];
  readonly asked: number | undefined;
  /** Some of the chunks that have a list, and how many there are. */
  readonly chunks: readonly number[];
  readonly chunksTotal: number;
}

interface Asked {
  readonly chunk: number | undefined;
  readonly signal: AbortSignal;
}

/** Asks for all that the page shows. Throws CompactError for a file that is not there or breaks the format. */
export async function askFile(key: InodeKey, clients: Clients, { chunk: asked, signal }: Asked): Promise<OneFile> {
  const { settings, quarantine, queue, status, ledger } = clients;
  const metadata = cancellable(clients.metadata, signal);
  const filesystem = await requireFilesystem(metadata, key.fsId);
  const inode = await requireFile(metadata, key);
  const [entry, jobId, runs] = await Promise.all([quarantine.get(key), queue.jobIdOf(key), endedRuns(status, key)]);
  const chunks: number[] = [];
  let chunksTotal = 0;
  for await (const chunkIndex of metadata.chunkIndexes(key)) {
    throwIfCancelled(signal, GIVEN_UP);
    chunksTotal++;
    if (chunks.length < LINKS_MAX) chunks.push(chunkIndex);
  }
  const tally = new Tally(key);
  const steps: PlannedChunk[] = [];
  for await (const step of stepsOfRun(key, { metadata, filesystem, settings, tally, ledger, signal })) {
    tally.add(step);
    if (asked === undefined && steps.length < DRAWN_MAX) steps.push(step);
  }
  const wanted = asked ?? (steps.length === 0 ? Math.min(...chunks) : undefined);
  const policy = await withRest(planPolicy(settings), filesystem, { ledger, lookOnly: true });
  const planned =
    wanted === undefined || !Number.isFinite(wanted)
      ? null
      : await planAsItIs(key, wanted, { metadata, filesystem, policy });
  return {
    key,
    filesystem,
    inode,
    quarantine: entry,
    queued: jobId !== null,
    runs: runs.slice(0, RUNS_MAX),
    asked,
    plan: tally.report(),
    drawn: planned === null ? steps : [planned],
    chunks: chunks.toSorted((a, b) => a - b),
    chunksTotal,
  };
}

/** What a worker does with a file now, from the sample that all pages share. */
export function fileNow(key: InodeKey, { report }: Sample): Html {
  const job = report?.inFlight.find(({ fsId, inodeId }) => fsId === key.fsId && inodeId === key.inodeId.toString());
  if (job === undefined) return html`<p class="now">No worker has it in hand.</p>`;
  return html`<p class="now running"><strong>Running</strong>: ${jobStateText(job)}</p>`;
}

/** Of a file on which work has stopped. */
export function stoppedNote(quarantine: QuarantineEntry | null): Html {
  if (quarantine === null) return html``;
  return html`<p class="problem act"><strong>Quarantined</strong> since ${timeAt(quarantine.sinceMs)}: ${quarantine.reason}</p>`;
}

export function filePage(file: OneFile, sample: Sample): PageOptions {
  const { key, filesystem, inode, quarantine, queued } = file;
  const name = printInodeKey(key);
  const body = html`<p>${bytes(inode.length)}, changed ${timeAt(inode.mtimeMs)}, ${plural(inode.nlink, 'link')}; file system <a href="/files/${key.fsId}">${filesystem.name || String(key.fsId)}</a>, chunks of ${bytes(filesystem.chunkSize)} in blocks of ${bytes(filesystem.blockSize)}. ${queued ? 'A job stands for it in the queue.' : 'It is not queued.'}</p>
${stoppedNote(quarantine)}
${live(`/live/files/${name}`, fileNow(key, sample))}
<section aria-labelledby="plan-head"><h2 id="plan-head">The next run</h2>${planned(file)}<p><a href="/files/${name}/what-if">What other settings of the dial would move and save</a></p></section>
<section aria-labelledby="chunks-head"><h2 id="chunks-head">${file.asked === undefined ? 'Its chunks' : `Chunk ${file.asked}`}</h2>
${file.drawn.length === 0 ? note('No such chunk has a list: it reads as zeros.') : file.drawn.map((step) => chunk(step, file))}
${chunkLinks(file)}</section>
<section aria-labelledby="runs-head"><h2 id="runs-head">Its runs</h2>${runsTable(file.runs)}</section>`;
  return { title: `File ${name}`, at: '/files', body };
}

function planned({ plan, key }: OneFile): Html {
  if (plan.outcome === 'nothing') return note('Nothing to do: no chunk is worth compacting.');
  if (plan.outcome === 'over-budget')
    return note('Not one block fits the budget of a run (--max-bytes, --max-requests).');
  const chunks = plan.chunks.filter(({ outcome }) => outcome === 'plan').length;
  const { cost } = plan;
  const moved = `reads ${bytes(cost.readBytes)} in ${plural(cost.readRequests, 'GET')} and writes ${bytes(cost.writeBytes)} in ${plural(cost.writeRequests, 'PUT')}`;
  const left = plan.chunksLeft === 0 ? '' : ` ${plural(plan.chunksLeft, 'chunk')} left for later runs.`;
  return html`<p>One run compacts ${plural(chunks, 'chunk')} and ${moved}.${left} <code>s3compact inode ${key.fsId} ${key.inodeId}</code> carries it out.</p>${gainTable(plan.gain)}`;
}

export function gainTable(gain: PlanGain | SliceGain): Html {
  const columns = ['of the chunks that it takes', ...numbers(['before', 'after', 'saved'])];
  return table('What the next run changes', columns, gainRows(gain));
}

function chunk({ before, decision, versionsTotal }: PlannedChunk, { key, filesystem }: OneFile): Html {
  const after = decision.kind === 'plan' ? { after: chunkAfter(before, decision.plan) } : {};
  const part =
    versionsTotal > before.versions.length ? `, the first ${count(before.versions.length)} of them drawn` : '';
  const verdict =
    decision.kind === 'plan'
      ? `score ${decision.plan.score.toFixed(2)}, ${plural(decision.plan.merged.length, 'new version')}`
      : decision.kind === 'nothing'
        ? 'not worth a run'
        : 'over the budget of a run';
  return html`<article aria-label="chunk ${before.chunkIndex}"><h3>Chunk ${before.chunkIndex}</h3><p>${plural(versionsTotal, 'version')}${part}; ${verdict}.</p>${chunkMaps({ key, filesystem, before, ...after })}</article>`;
}

type Links = Pick<OneFile, 'key' | 'chunks' | 'chunksTotal' | 'asked'>;

export function chunkLinks({ key, chunks, chunksTotal, asked }: Links): Html {
  if (chunksTotal <= 1) return html``;
  const links = chunks.map((index) => {
    const href = `/files/${printInodeKey(key)}?chunk=${index}`;
    return html`${linkTo(href, String(index), index === asked)} `;
  });
  const rest =
    chunksTotal > chunks.length ? `and ${count(chunksTotal - chunks.length)} more: add ?chunk=N to the address` : '';
  return html`<nav class="chunks" aria-label="Chunks">Chunks: ${links}${rest}</nav>`;
}

function runsTable(runs: readonly EndedRun[]): Html {
  if (runs.length === 0) return note('None that the queue still keeps (an hour, the newest 1,000).');
  const rows = runs.map(({ endedMs, origin, moved, words }) => [
    timeAt(endedMs),
    origin,
    moved === undefined ? '' : `${count(moved.getsBefore)} to ${count(moved.getsAfter)}`,
    moved === undefined ? '' : bytes(moved.bytes),
    words ?? '',
  ]);
  return table('Its runs', ['ended', 'asked by', 'GETs', 'moved', 'what it said'], rows);
}
