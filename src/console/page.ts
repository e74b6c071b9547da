/**
 * What every page of the console has around it: head, links, footer, and the small words of HTML that pages share. All
 * text goes through hono's `html`, which escapes it. It knows no page and asks nothing.
 */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { decimalId, decimalNumber } from '../format.ts';
import type { InodeKey } from '../model.ts';
import type { Visited } from './door.ts';

/** HTML that is escaped already. */
export type Html = ReturnType<typeof html>;

/** What a page of its own brings. */
export interface PageOptions {
  readonly title: string;
  /** The link that this page is behind, if any. */
  readonly at?: string;
  readonly body: Html;
}

/** A page that is not there has no link. */
const LINKS = [
  ['/', 'Overview'],
  ['/files', 'Files'],
  ['/stuck', 'Stuck'],
] as const;

/** A whole page; `csrf`: of the session that may be ended. */
export function page({ title, at, body, csrf }: PageOptions & { readonly csrf?: string }): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} - s3compact</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/live.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the contents</a>
<header>
<span class="name">s3compact</span>
<nav aria-label="Pages">${LINKS.map(([href, name]) => linkTo(href, name, href === at))}</nav>
${csrf === undefined ? '' : html`<form class="leave" action="/logout" method="post"><input type="hidden" name="csrf" value="${csrf}"><button>Log out</button></form>`}
<span class="lost" role="status" hidden>connection lost: these numbers are old</span>
</header>
<main id="main">
<h1>${title}</h1>
${body}
</main>
</body>
</html>`;
}

/** The page as an answer, for whoever asks; with forms below it, if there are any. */
export function show(c: Context<Visited>, content: PageOptions, forms?: Html): Response | Promise<Response> {
  const body = html`${content.body}${forms ?? ''}`;
  return c.html(page({ ...content, body, csrf: c.get('visitor')?.csrf }));
}

export function linkTo(href: string, name: string, isHere: boolean): Html {
  return isHere ? html`<a href="${href}" aria-current="page">${name}</a>` : html`<a href="${href}">${name}</a>`;
}

/** A part of a page that is kept fresh by server-sent events from `from`. */
export function live(from: string, body: Html): Html {
  return html`<div data-live="${from}">${body}</div>`;
}

export interface Column {
  readonly head: string | Html;
  readonly number?: true;
  readonly sort?: 'descending';
}

/** Columns of numbers. */
export function numbers(heads: readonly (string | Html)[]): readonly Column[] {
  return heads.map((head) => ({ head, number: true }));
}

/** A table that scrolls by itself where the page is narrow; a column of text is its head alone. */
export function table(
  caption: string,
  heads: readonly (Column | string)[],
  rows: readonly (readonly (string | Html)[])[],
): Html {
  const columns = heads.map((one): Column => (typeof one === 'string' ? { head: one } : one));
  const cell = (value: string | Html, n: number) =>
    columns[n]?.number === true ? html`<td class="n">${value}</td>` : html`<td>${value}</td>`;
  return html`<div class="wide" role="group" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr>${columns.map(({ head, number, sort }) => html`<th scope="col" class="${number === true ? 'n' : ''}" aria-sort="${sort ?? 'none'}">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody>
</table></div>`;
}

export function note(text: string | Html): Html {
  return html`<p class="note">${text}</p>`;
}

/** Longer reasons are cut. */
const WORDS_MAX = 400;

export function cut(text: string): string {
  return text.length <= WORDS_MAX ? text : `${text.slice(0, WORDS_MAX)}…`;
}

/** The file that the path of a request names; `null`: it is no number. */
export function keyOf(c: Context): InodeKey | null {
  const [fsId, inodeId] = [decimalNumber(c.req.param('fs')), decimalId(c.req.param('inode'))];
  return fsId === null || inodeId === null ? null : { fsId, inodeId };
}

/** The page of one file. */
export function fileLink(fsId: number, inodeId: string): Html {
  return html`<a href="/files/${fsId}/${inodeId}">${fsId}/${inodeId}</a>`;
}

/** A time that a person and a program can read. */
export function timeAt(ms: number): Html {
  const when = new Date(ms);
  if (Number.isNaN(when.getTime())) return html`at an unknown time`;
  const text = when.toISOString();
  return html`<time datetime="${text}">${text.slice(0, 19).replace('T', ' ')} UTC</time>`;
}
