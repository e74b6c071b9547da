/**
 * What the browser gets beside pages: one style sheet, one script, one icon. They are texts in the package, so that
 * nothing is built and nothing comes from another host. The script keeps the parts fresh that say where from.
 */

/** Updates in place and not by replacing, so that focus, selection and open titles stay. */
export const SCRIPT = `'use strict';
const lost = document.querySelector('.lost');
function same(a, b) { return a.nodeType === b.nodeType && a.nodeName === b.nodeName; }
function update(old, next) {
  if (old.nodeType === 3) { if (old.data !== next.data) old.data = next.data; return; }
  if (old.nodeType !== 1) return;
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  children(old, next);
}
function children(old, next) {
  const wanted = [...next.childNodes];
  wanted.forEach((node, n) => {
    const here = old.childNodes[n];
    if (here === undefined) old.append(node);
    else if (same(here, node)) update(here, node);
    else here.replaceWith(node);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}
for (const part of document.querySelectorAll('[data-live]')) {
  const source = new EventSource(part.dataset.live);
  source.onmessage = ({ data }) => {
    const next = document.createElement('div');
    next.innerHTML = JSON.parse(data);
    children(part, next);
  };
  source.onopen = () => { lost.hidden = true; };
  source.onerror = () => { lost.hidden = false; };
}
`;

export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#155e75"/><rect x="3" y="3" width="4" height="3" fill="#fff"/><rect x="9" y="3" width="4" height="3" fill="#fff"/><rect x="3" y="9" width="10" height="4" fill="#fff"/></svg>`;

export const STYLE = `:root {
  color-scheme: light dark;
  --ground: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --box: #f6f8fa; --link: #0a5688;
  --bad: #b00020; --wait: #7a4b00; --well: #14622f;
  --w0: #bfe3f5; --w1: #e3d0f5; --w2: #c9d6ff; --w3: #dfe3e8; --merged: #bfe8c7; --m2: #f6e3a1; --m4: #f5b98a; --m10: #ef8f80;
  --cell: #1b1f24;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --text: #e6edf3; --soft: #a3adb8; --line: #3b444e; --box: #1b2128; --link: #7cc4f5;
    --bad: #ff8f8f; --wait: #f0c069; --well: #7ddb95;
    --w0: #175a7a; --w1: #5b3a80; --w2: #324a99; --w3: #4d5661; --merged: #1c6b35; --m2: #7a6514; --m4: #8f4f1b; --m10: #98392c;
    --cell: #fff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; padding: .75rem 1rem; border-bottom: 1px solid var(--line); background: var(--box); }
.name { font-weight: 700; }
nav a { margin-right: 1rem; }
nav a[aria-current] { font-weight: 700; text-decoration: none; color: var(--text); }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, .wide:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: .5rem; z-index: 1; }
.lost, .bad { color: var(--bad); font-weight: 700; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 0; }
.note, .more, figcaption, caption { color: var(--soft); }
caption { text-align: left; padding: .25rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.problems { list-style: none; padding: 0; }
.problem { border-left: 4px solid var(--line); padding: .25rem .75rem; margin: .25rem 0; overflow-wrap: anywhere; }
.problem.act { border-color: var(--bad); } .problem.act strong { color: var(--bad); }
.problem.wait { border-color: var(--wait); } .problem.wait strong { color: var(--wait); }
.problem.well { border-color: var(--well); }
.chain { list-style: none; padding: 0; display: grid; grid-template-columns: repeat(4, 1fr); gap: 1.75rem; }
.chain li { position: relative; border: 1px solid var(--line); border-radius: .5rem; background: var(--box); padding: .75rem; }
.chain li + li::before { content: '\\2192'; position: absolute; left: -1.4rem; top: 40%; color: var(--soft); }
.chain strong { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.chain p { margin: .25rem 0 0; }
.curves, .maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; }
.curve { width: 100%; height: 4rem; border-bottom: 1px solid var(--line); fill: var(--link); }
.dial { width: 100%; max-width: 48rem; height: auto; fill: var(--soft); font: 12px system-ui, sans-serif; }
.dial path, .dial polyline { fill: none; stroke: var(--soft); } .dial polyline { stroke: var(--link); stroke-width: 2; }
.dial circle { fill: var(--link); } .dial .today { fill: var(--ground); stroke: var(--link); stroke-width: 3; }
.map { width: 100%; height: auto; fill: var(--soft); font: 10px system-ui, sans-serif; }
.map .end, .dial .end { text-anchor: end; }
.map .letter { text-anchor: middle; fill: var(--cell); }
.map rect, .key { stroke: var(--line); stroke-width: .5; }
.written0 { fill: var(--w0); background: var(--w0); } .written1 { fill: var(--w1); background: var(--w1); }
.written2 { fill: var(--w2); background: var(--w2); } .written3 { fill: var(--w3); background: var(--w3); }
.merged { fill: var(--merged); background: var(--merged); }
.mixed2 { fill: var(--m2); background: var(--m2); } .mixed4 { fill: var(--m4); background: var(--m4); } .mixed10 { fill: var(--m10); background: var(--m10); }
.hole, .beyond { fill: var(--ground); background: var(--ground); } .zero { fill: var(--box); background: var(--box); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; color: var(--soft); }
.key { display: inline-block; min-width: 1.4em; height: 1.4em; line-height: 1.4em; text-align: center; border: 1px solid var(--line); color: var(--cell); vertical-align: middle; }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1rem 0; }
input, button { font: inherit; padding: .3rem .6rem; border: 1px solid var(--soft); border-radius: .3rem; background: var(--ground); color: var(--text); max-width: 14rem; }
details { margin: .25rem 0 .75rem; } summary { cursor: pointer; color: var(--link); }
.leave { margin: 0 0 0 auto; } .acts form + form { margin-top: .5rem; } td form { margin: 0; }
.chunks a { display: inline-block; margin: 0 .4rem .2rem 0; padding: .1rem .3rem; }
@media (max-width: 48rem) {
  .chain { grid-template-columns: 1fr; }
  .chain li + li::before { content: '\\2193'; left: 50%; top: -1.6rem; }
}
@media print {
  header nav, form, .acts, .skip, .chunks { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .wide { overflow: visible; }
  * { print-color-adjust: exact; }
}
`;
