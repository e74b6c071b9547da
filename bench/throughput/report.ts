/** Figures of the throughput bench as medians, ratios and a table. It measures nothing. */
import type { Case } from './cases.ts';
import type { Figures } from './child.ts';

const MIB = 1024 * 1024;

export interface Row {
  readonly case: string;
  readonly contestant: string;
  readonly mibPerSecond: number;
  readonly requestsPerSecond: number;
  readonly cpuSecondsPerGib: number;
  readonly cpuMsPerThousandRequests: number;
  readonly peakRssMib: number;
  readonly aboveIdleMib: number;
  /** Against the bare loop: speed by the clock, and work for each CPU-second. */
  readonly ofBareByClock: number;
  readonly ofBarePerCore: number;
  readonly timesOneByClock?: number;
  readonly timesOneByCpu?: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

interface Measured {
  readonly figures: readonly Figures[];
  readonly bare: readonly Figures[];
}

export function rowOf(one: Case, contestant: string, { figures, bare }: Measured): Row {
  const of = (value: (figure: Figures) => number): number => median(figures.map(value));
  const paired = (value: (figure: Figures) => number): number =>
    median(figures.map((figure, n) => value(bare[n % bare.length] ?? figure) / value(figure)));
  return {
    case: one.name,
    contestant,
    mibPerSecond: of(({ bytes, wallMs }) => bytes / MIB / (wallMs / 1000)),
    requestsPerSecond: of(({ requests, wallMs }) => requests / (wallMs / 1000)),
    cpuSecondsPerGib: of(({ cpuMs, bytes }) => cpuMs / 1000 / (bytes / (1024 * MIB))),
    cpuMsPerThousandRequests: of(({ cpuMs, requests }) => (cpuMs / requests) * 1000),
    peakRssMib: of(({ peakRssBytes }) => peakRssBytes / MIB),
    aboveIdleMib: of(({ peakRssBytes, idleRssBytes }) => (peakRssBytes - idleRssBytes) / MIB),
    ofBareByClock: paired(({ wallMs }) => wallMs),
    ofBarePerCore: paired(({ cpuMs }) => cpuMs),
  };
}

const COLUMNS: readonly (readonly [string, (row: Row) => string])[] = [
  ['MiB/s', (row) => row.mibPerSecond.toFixed(0)],
  ['requests/s', (row) => row.requestsPerSecond.toFixed(0)],
  ['CPU-s/GiB', (row) => row.cpuSecondsPerGib.toFixed(2)],
  ['CPU-ms/1000 requests', (row) => row.cpuMsPerThousandRequests.toFixed(0)],
  ['peak MiB', (row) => row.peakRssMib.toFixed(0)],
  ['above idle', (row) => row.aboveIdleMib.toFixed(0)],
  ['of bare, clock', (row) => row.ofBareByClock.toFixed(2)],
  ['of bare, per core', (row) => row.ofBarePerCore.toFixed(2)],
  ['times one, clock', (row) => row.timesOneByClock?.toFixed(2) ?? ''],
  ['times one, CPU', (row) => row.timesOneByCpu?.toFixed(2) ?? ''],
];

/** Markdown, as docs/performance.md shows it. */
export function table(one: Case, rows: readonly Row[]): string {
  const lines = [
    `\n### ${one.title} (\`${one.name}\`)\n`,
    `| | ${COLUMNS.map(([name]) => name).join(' | ')} |`,
    `|---|${COLUMNS.map(() => '--:').join('|')}|`,
    ...rows.map((row) => `| ${row.contestant} | ${COLUMNS.map(([, cell]) => cell(row)).join(' | ')} |`),
  ];
  return lines.join('\n');
}
