/**
 * The figures as text: tables for a terminal, and the tables of docs/performance.md. It must compute nothing but sums of
 * what is given, so that page, picture and terminal agree.
 */
import type { Figures, Row, Total } from './figures.ts';

const MIB = 1024 * 1024;
const KIB = 1024;
const PEERS = ['curvefs', 'juicefs'];
const OURS = 's3compact';

/** A table for each life, and all together. */
export function terminalReport({ rows, totals, dial, lowerBoundBytes }: Figures): string {
  const lives = [...new Set(rows.map(({ life }) => life))];
  const head = [
    'life',
    'policy',
    'GETs/read',
    'moved MiB',
    'requests',
    'deleted',
    'versions',
    'stored',
    'at worst',
    'compactions',
  ];
  const body = lives.flatMap((life) => [
    ...rows.filter((row) => row.life === life).map((row) => [life, ...cellsOf(row)]),
    [life, 'lower bound', '', mib(lowerBoundBytes[life] ?? 0), '', '', '', '', '', ''],
  ]);
  const sum = Object.values(lowerBoundBytes).reduce((all, bytes) => all + bytes, 0);
  const totalHead = [
    'policy',
    'GETs/read, mean of reads',
    'GETs/read, sum of lives',
    'moved MiB',
    'requests',
    'deleted',
    'stored',
    'at worst',
  ];
  const totalRow = (total: Total, name: string): string[] => [
    name,
    total.getsPerRead.toFixed(2),
    total.getsOfLives.toFixed(0),
    mib(total.movedBytes),
    String(total.requests),
    String(total.objectsDeleted),
    total.stored.toFixed(2),
    total.storedWorst.toFixed(2),
  ];
  return [
    columns([head, ...body]),
    '',
    'all lives together',
    columns([
      totalHead,
      ...totals.map((total) => totalRow(total, total.policy)),
      ['lower bound', '', '', mib(sum), '', '', '', ''],
      ...dial.map((point) => totalRow(point, `dial ${point.bytesPerGet / KIB} KiB`)),
    ]),
  ].join('\n');
}

function cellsOf(row: Row): string[] {
  return [
    row.policy,
    row.gets.toFixed(1),
    mib(row.movedBytes),
    String(row.requests),
    String(row.objectsDeleted),
    row.versions.toFixed(1),
    row.stored.toFixed(2),
    row.storedWorst.toFixed(2),
    String(row.compactions),
  ];
}

/** The tables of docs/performance.md, in Markdown. */
export function markdownTables({ rows, totals, dial, lowerBoundBytes }: Figures): string {
  const lives = [...new Set(rows.map(({ life }) => life))];
  const shown = [...PEERS, OURS];
  const cell = (life: string, policy: string): string => {
    const row = rows.find((one) => one.life === life && one.policy === policy);
    return row === undefined ? '' : `${row.gets.toFixed(1)} / ${mib(row.movedBytes)} / ${row.stored.toFixed(2)}`;
  };
  const bound = Object.values(lowerBoundBytes).reduce((all, bytes) => all + bytes, 0);
  const totalRow = (name: string, total: Total): string[] => [
    name,
    total.getsPerRead.toFixed(2),
    total.getsOfLives.toFixed(0),
    mib(total.movedBytes),
    ...PEERS.map((peer) => share(total, totals, peer)),
    thousands(total.requests),
    total.stored.toFixed(2),
    total.storedWorst.toFixed(2),
  ];
  const measures = [
    'GETs per read',
    'sum of lives',
    'MiB moved',
    'of curvefs',
    'of juicefs',
    'requests',
    'stored',
    'at worst',
  ];
  const points = dial.map((point) => totalRow(`${thousands(point.bytesPerGet / KIB)} KiB`, point));
  return [
    markdown([
      ['all lives together', ...measures],
      ...totals.map((total) => totalRow(total.policy, total)),
      ['lower bound', '', '', mib(bound), '', '', '', '', ''],
    ]),
    '',
    ...(points.length === 0 ? [] : [markdown([['the dial', ...measures], ...points]), '']),
    markdown([
      ['GETs of a full read / MiB moved / stored', 'none', ...shown, 'lower bound'],
      ...lives.map((life) => [
        life,
        rows.find((one) => one.life === life && one.policy === 'none')?.gets.toFixed(1) ?? '',
        ...shown.map((policy) => cell(life, policy)),
        mib(lowerBoundBytes[life] ?? 0),
      ]),
    ]),
  ].join('\n');
}

function share(total: Total, totals: readonly Total[], peer: string): string {
  const other = totals.find(({ policy }) => policy === peer);
  return other === undefined ? '' : `${((100 * total.movedBytes) / other.movedBytes).toFixed(1)} %`;
}

export function mib(bytes: number): string {
  return thousands(Math.round(bytes / MIB));
}

function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

function columns(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, n) => Math.max(...table.map((row) => row[n]?.length ?? 0)));
  const words = table[0]?.findIndex((name) => name.includes('GETs')) ?? 0;
  return table
    .map((row) =>
      row.map((cell, n) => (n < words ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join('  '),
    )
    .join('\n');
}

export function markdown([head = [], ...body]: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map((_, n) => (n === 0 ? '---' : '---:'))), ...body.map(row)].join('\n');
}
