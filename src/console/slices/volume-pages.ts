/**
 * The pages of a volume in the slice layout: what it keeps and nobody reads, its worst files, what is damaged or waits to be
 * deleted. The rows and words are those of the terminal (`src/view/slices`). It draws what a walk found, and asks nothing.
 */
import { html } from 'hono/html';
import { volumeText } from '../../view/slices/inspect.ts';
import {
  damageNotes,
  type PlacedWaste,
  placeText,
  SUM_HEADS,
  sumRows,
  WORST_HEADS,
  wasteNotes,
  worstCells,
} from '../../view/slices/waste.ts';
import { bytes, duration, plural } from '../../view/words.ts';
import type { WasteOrder } from '../../waste/waste.ts';
import { VOLUME_FS_ID } from '../../wiring/open-volume.ts';
import { fileLink, type Html, note, numbers, type PageOptions, table } from '../page.ts';
import type { PlacedSeen, VolumeSeen } from './volume-walk.ts';

/** Of the worst files, on the overview. */
const WORST_SHOWN = 10;

export function orderOf(text: string | undefined): WasteOrder {
  return text === 'gets' ? text : 'waste';
}

export function volumeOverview(seen: PlacedSeen): PageOptions {
  const { setting, top } = seen;
  const report = seen.report('waste');
  const { live } = report;
  const heads = ['kind', ...numbers(SUM_HEADS)];
  const damaged =
    report.damaged === 0
      ? ''
      : html`<p class="problem act"><strong>${plural(report.damaged, 'inode')}</strong> cannot be read: <a href="/stuck">which, and why</a></p>`;
  const body = html`<p>${volumeText(setting)}: ${plural(live.files, 'file')}, ${bytes(live.visibleBytes)} to be read. ${seenText(seen, '/')}</p>
${damaged}
<section aria-labelledby="kept-head"><h2 id="kept-head">What it keeps</h2>${table('Stored against visible', heads, sumRows(report))}
<ul>${wasteNotes(report, setting).map((words) => html`<li>${words}</li>`)}</ul></section>
<section aria-labelledby="worst-head"><h2 id="worst-head">Worst files</h2>${worst(top.slice(0, WORST_SHOWN), 'waste')}<p><a href="/files">More of them, and each by its path</a></p></section>`;
  return { title: 'Overview', at: '/', body };
}

export function volumeFiles(seen: PlacedSeen, order: WasteOrder): PageOptions {
  const body = html`<p>The worst by hidden bytes, or by GETs that a full read could do without. ${seenText(seen, `/files?sort=${order}`)}</p>
<form action="/files" method="get" class="search">
<label>path or inode <input name="inode" required maxlength="4096"></label>
<button>Show</button>
</form>
${worst(seen.top, order)}`;
  return { title: `Files of ${seen.setting.volume}`, at: '/files', body };
}

export function volumeStuck(seen: VolumeSeen): PageOptions {
  const report = seen.report('waste');
  const { waiting, damaged } = report;
  const damages = damageNotes(report).map((words) => html`<li>${words}</li>`);
  const { delayed, pending, files } = waiting;
  const kinds = [
    ['replaced, delete delayed', plural(delayed.slices, 'slice'), bytes(Math.round(delayed.storedBytes))],
    ['of these overdue', plural(delayed.overdueSlices, 'slice'), ''],
    ['unreferenced, to be deleted', plural(pending.slices, 'slice'), bytes(Math.round(pending.storedBytes))],
    ['deleted, not cleaned up', plural(files.count, 'file'), bytes(files.bytes)],
  ];
  const heads = ['kind', ...numbers(['how many', 'bytes'])];
  const known = seen.ageMs === undefined ? note('Not counted yet: the walk over the volume has not ended.') : '';
  const body = html`<p>${seenText(seen, '/stuck')}</p>
<section aria-labelledby="damaged-head"><h2 id="damaged-head">Cannot be read</h2>
${damages.length === 0 ? note('Nothing that was walked by.') : html`<p>${plural(damaged, 'inode')}.</p><ul>${damages}</ul>`}</section>
<section aria-labelledby="waiting-head"><h2 id="waiting-head">Waits to be deleted</h2>${known}${table('Waits to be deleted', heads, kinds)}
${note(html`The hourly jobs of the volume's own clients delete them: <code>s3compact doctor ${VOLUME_FS_ID}</code> tells whether these run.`)}</section>`;
  return { title: 'Stuck', at: '/stuck', body };
}

/** How far the walk has come, with the way to look on. */
function seenText({ ageMs, files }: VolumeSeen, here: string): Html {
  const shown = ageMs === undefined ? '' : `This is from a walk that ended ${duration(ageMs)} ago. `;
  if (files === undefined) return html`${shown}`;
  const walk = ageMs === undefined ? 'The walk over the volume' : 'A new one';
  return html`${shown}${walk} goes on, ${plural(files, 'file')} so far: <a href="${here}">look again</a>.`;
}

function worst(files: readonly PlacedWaste[], order: WasteOrder): Html {
  if (files.length === 0) return note('No file has been found yet.');
  const sorts: Readonly<Record<string, WasteOrder>> = { hidden: 'waste', GETs: 'gets' };
  const columns = WORST_HEADS.map((head) => {
    const sort = sorts[head];
    if (sort === undefined) return { head, number: true as const };
    const link = html`<a href="/files?sort=${sort}">${head}</a>`;
    return { head: link, number: true as const, sort: sort === order ? ('descending' as const) : undefined };
  });
  const linkOf = ({ inodeId }: PlacedWaste) => fileLink(VOLUME_FS_ID, inodeId.toString());
  const rows = files.map((file) => [linkOf(file), ...worstCells(file), placeText(file)]);
  return table('Worst files', ['file', ...columns, 'path'], rows);
}
