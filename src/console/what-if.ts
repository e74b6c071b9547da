/**
 * The page "What if": for one file, what each setting of the dial `--aggressiveness` would move and save, as a curve with
 * today's setting marked, and as a table. Its lists are read once and planned at each setting as a scan plans them, without
 * a budget; the planner lets others have their turn in between. It changes nothing.
 */
import { setImmediate } from 'node:timers/promises';
import { html } from 'hono/html';
import { planPolicy, withRest } from '../compact/choose-chunks.ts';
import { printNumber } from '../config/units.ts';
import { type CompactError, cancelled } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import { requireFile, requireFilesystem } from '../metadata/lookup.ts';
import { LIST_VERSIONS_MAX } from '../metadata/port.ts';
import type { InodeKey } from '../model.ts';
import { type Finding, InodeScore } from '../scan/score.ts';
import { bytes, count } from '../view/words.ts';
import { cancellable } from '../wiring/cancellable.ts';
import type { Clients } from '../wiring/clients.ts';
import { fileLink, type Html, note, numbers, type PageOptions, table } from './page.ts';

/** From a 1,024th of a chunk, by which nothing is worth much, to a chunk, by which every fragmented block is. */
const DOUBLINGS = 10;
/** The setting allows no more. */
const DIAL_MAX = 1024 ** 3;
/** Somebody waits for the page. */
const PATIENCE_MS = 10_000;

export interface DialPoint {
  /** Bytes that may be moved for each GET saved. */
  readonly setting: number;
  readonly isToday: boolean;
  readonly finding: Finding;
}

/** Throws CompactError for a file that is not there, breaks the format, or takes too long. */
export async function askDial(
  key: InodeKey,
  { metadata: store, settings, ledger }: Clients,
  signal: AbortSignal,
): Promise<readonly DialPoint[]> {
  const metadata = cancellable(store, signal);
  const filesystem = await requireFilesystem(metadata, key.fsId);
  await requireFile(metadata, key);
  const today = settings.aggressivenessBytes;
  const policy = await withRest(planPolicy(settings), filesystem, { ledger, lookOnly: true });
  const scores = dialSettings(filesystem.chunkSize, today).map((setting) => {
    const turned = { ...policy, bytesPerGet: setting };
    return { setting, score: new InodeScore({ metadata, filesystem, policy: turned }) };
  });
  const points: DialPoint[] = [];
  const endMs = performance.now() + PATIENCE_MS;
  for await (const part of metadata.readLists([key], LIST_VERSIONS_MAX)) {
    for (const { setting, score } of scores) {
      const finding = await score.add(part);
      if (finding?.error !== undefined) throw finding.error;
      if (finding !== null) points.push({ setting, isToday: setting === today, finding });
      await setImmediate();
      if (performance.now() > endMs || signal.aborted) throw tooLarge(key);
    }
  }
  return points;
}

/** In the order of the dial; today's is one of them. */
export function dialSettings(chunkSize: number, today: number): readonly number[] {
  const doubled = Array.from({ length: DOUBLINGS + 1 }, (_, n) => Math.ceil(chunkSize / 2 ** (DOUBLINGS - n)));
  return [...new Set([0, today, ...doubled.filter((setting) => setting <= DIAL_MAX)])].toSorted((a, b) => a - b);
}

function tooLarge({ fsId, inodeId }: InodeKey): CompactError {
  return cancelled(
    `planning this file at every setting takes longer than ${PATIENCE_MS / 1000} s; "s3compact plan ${fsId} ${inodeId} --aggressiveness SIZE" shows one`,
  );
}

export function dialPage(key: InodeKey, points: readonly DialPoint[]): PageOptions {
  const rows = points.map(({ setting, isToday, finding: { backlog } }) => [
    isToday ? html`<strong>${printNumber('size', setting)}, today</strong>` : printNumber('size', setting),
    count(backlog.chunksWorthIt),
    bytes(backlog.bytesToMove),
    count(backlog.requestsToMake),
    count(backlog.getsSaved),
    bytes(backlog.bytesReclaimed),
  ]);
  const columns = ['bytes for a GET', ...numbers(['chunks', 'moved', 'requests', 'GETs saved', 'bytes freed'])];
  const none = points.every(({ finding }) => finding.score <= 0);
  const body = html`<p>What each setting of <code>--aggressiveness</code> would move of file ${fileLink(key.fsId, key.inodeId.toString())} to save GETs of a full read: all runs together, without the budget of one.</p>
${none ? note('No setting finds anything worth moving.') : curve(points)}
${table('The dial', columns, rows)}`;
  return { title: `What if: file ${printInodeKey(key)}`, at: '/files', body };
}

const SIZE = { width: 640, height: 260, left: 56, right: 16, top: 16, bottom: 36 };

/** GETs saved over bytes moved, a dot for each setting. */
function curve(points: readonly DialPoint[]): Html {
  const most = (of: (finding: Finding) => number) => Math.max(1, ...points.map(({ finding }) => of(finding)));
  const [moved, saved] = [most(({ backlog }) => backlog.bytesToMove), most(({ backlog }) => backlog.getsSaved)];
  const { width, height, left, right, top, bottom } = SIZE;
  const dots = points.map(({ setting, isToday, finding: { backlog } }) => {
    const x = (left + ((width - left - right) * backlog.bytesToMove) / moved).toFixed(1);
    const y = (height - bottom - ((height - top - bottom) * Math.max(0, backlog.getsSaved)) / saved).toFixed(1);
    const title = `${printNumber('size', setting)}: moves ${bytes(backlog.bytesToMove)}, saves ${count(backlog.getsSaved)} GETs`;
    return { x, y, title, isToday };
  });
  const line = dots.map(({ x, y }) => `${x},${y}`).join(' ');
  // Today's last, so that no other dot covers it.
  const circles = dots
    .toSorted((a, b) => Number(a.isToday) - Number(b.isToday))
    .map(
      ({ x, y, title, isToday }) =>
        html`<circle cx="${x}" cy="${y}" r="${isToday ? 7 : 4}" class="${isToday ? 'today' : ''}"><title>${title}${isToday ? ', today' : ''}</title></circle>`,
    );
  const now = dots.find(({ isToday }) => isToday)?.title ?? '';
  const baseY = height - bottom;
  return html`<figure><figcaption>GETs saved over bytes moved, a dot for each setting; the large one is today's</figcaption>
<svg class="dial" viewBox="0 0 ${width} ${height}" role="img" aria-label="GETs saved over bytes moved; today ${now}">
<path d="M${left} ${top}V${baseY}H${width - right}"></path>
<text x="${left - 6}" y="${top + 10}" class="end">${count(saved)}</text><text x="${left - 6}" y="${baseY}" class="end">0</text>
<text x="${left}" y="${baseY + 16}">0 B</text><text x="${width - right}" y="${baseY + 16}" class="end">${bytes(moved)} moved</text>
<polyline points="${line}"></polyline>${circles}</svg></figure>`;
}
