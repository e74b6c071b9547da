/**
 * The forms of the console: the log-in, and a button for each act, which is there only for whoever may press it. They hold no
 * secret but the word of the session that they are sent back with. It carries nothing out.
 */
import { html } from 'hono/html';
import type { InodeKey } from '../model.ts';
import type { Html, PageOptions } from './page.ts';

/** Given where acts are allowed; absent: the page shows no button. */
export interface Forms {
  readonly csrf: string;
}

interface FormOptions {
  readonly act: string;
  readonly button: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly fields?: Html;
}

function form({ csrf }: Forms, { act, button, values = {}, fields }: FormOptions): Html {
  const hidden = Object.entries({ csrf, ...values }).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  return html`<form action="/acts/${act}" method="post">${hidden}${fields ?? ''}<button>${button}</button></form>`;
}

function valuesOf({ fsId, inodeId }: InodeKey) {
  return { fs: `${fsId}`, inode: inodeId.toString() };
}

function section(forms: Html): Html {
  return html`<section class="acts" aria-labelledby="acts-head"><h2 id="acts-head">Acts</h2>${forms}</section>`;
}

/** Below the overview. */
export function allForms(forms: Forms): Html {
  const reap = html`<label><input type="checkbox" name="reap" value="yes"> delete nothing either</label>`;
  return section(html`${form(forms, { act: 'pause-all', button: 'Pause everything', fields: reap })}
${form(forms, { act: 'resume-all', button: 'Resume everything' })}`);
}

/** Stopping and starting work on a file system. */
export function pauseForms(forms: Forms, fsId: number, more: Html = html``): Html {
  const values = { fs: `${fsId}` };
  return section(html`${form(forms, { act: 'pause', button: `Pause file system ${fsId}`, values })}
${form(forms, { act: 'resume', button: `Resume file system ${fsId}`, values })}
${more}`);
}

/** Below the files of a file system. */
export function filesystemForms(forms: Forms, fsId: number): Html {
  const values = { fs: `${fsId}` };
  const fields = html`<label>who or what needs it <input name="reason" required maxlength="200"></label>
<label>for (6h; empty: until released) <input name="for" pattern="[0-9]+(ms|s|m|h|d)"></label>`;
  const hold = html`${form(forms, { act: 'hold', button: 'Hold: delete nothing', values, fields })}
<p class="note">A hold answers when it holds, after a minute and a half. It is released by the command "s3compact hold release" alone.</p>`;
  return pauseForms(forms, fsId, hold);
}

/** Below one file; nothing works on one in quarantine. */
export function fileForms(forms: Forms, key: InodeKey, isQuarantined: boolean): Html {
  if (isQuarantined) return section(releaseForm(forms, key));
  return section(form(forms, { act: 'compact', button: 'Compact now', values: valuesOf(key) }));
}

/** Of an inode in quarantine. */
export function releaseForm(forms: Forms, key: InodeKey): Html {
  return form(forms, { act: 'release', button: 'Release and queue', values: valuesOf(key) });
}

export function loginPage(fault?: string): PageOptions {
  const said = fault === undefined ? '' : html`<p class="problem act" role="alert">${fault}</p>`;
  const body = html`${said}<form action="/login" method="post">
<label>token <input type="password" name="token" required autocomplete="current-password"></label>
<button>Log in</button>
</form>`;
  return { title: 'Log in', body };
}
