/**
 * The picture of the bench: what each policy moves against what a full read costs meanwhile, both on logarithmic axes, ours as
 * a curve over its dial. Plain SVG from the figures alone, so the same figures give the same text. It must not compute any.
 */
import type { Figures, Total } from './figures.ts';

const MIB = 1024 * 1024;
const PANEL = { width: 420, height: 300, left: 58, top: 44, bottom: 46, right: 16 };

interface Axis {
  readonly from: number;
  readonly to: number;
}

interface Panel {
  readonly title: string;
  readonly x: number;
  readonly gets: (total: Total) => number;
  readonly yAxis: Axis;
}

const MOVED: Axis = { from: 1_000, to: 50_000 };

/** Two panels side by side: each full read counts the same, and each life counts the same. */
export function drawFigures(figures: Figures): string {
  const panels: Panel[] = [
    {
      title: 'each full read counts the same',
      x: 0,
      gets: ({ getsPerRead }) => getsPerRead,
      yAxis: { from: 5, to: 200 },
    },
    {
      title: 'each life counts the same',
      x: 430,
      gets: ({ getsOfLives }) => getsOfLives,
      yAxis: { from: 200, to: 5_000 },
    },
  ];
  return [
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 850 300" width="850" height="300" font-family="sans-serif" font-size="11">',
    '<title>Bytes moved against GETs of a full read, by policy</title>',
    '<rect width="850" height="300" fill="white"/>',
    ...panels.flatMap((panel) => drawPanel(panel, figures)),
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel(panel: Panel, figures: Figures): string[] {
  const x = (bytes: number): number =>
    place(bytes / MIB, MOVED, [panel.x + PANEL.left, panel.x + PANEL.width - PANEL.right]);
  const y = (gets: number): number => place(gets, panel.yAxis, [PANEL.height - PANEL.bottom, PANEL.top]);
  const at = (total: Total): readonly [number, number] => [x(total.movedBytes), y(panel.gets(total))];
  const inside = figures.dial.filter((point) => {
    const gets = panel.gets(point);
    return gets <= panel.yAxis.to && gets >= panel.yAxis.from && point.movedBytes / MIB >= MOVED.from;
  });
  const ours = figures.totals.find(({ policy }) => policy === 's3compact');
  return [
    text([panel.x + PANEL.left, 20], `GETs of a full read (${panel.title})`, 'font-weight="bold"'),
    ...axis(MOVED, (value) => x(value * MIB)).map(([value, px]) =>
      [
        line([px, PANEL.top], [px, PANEL.height - PANEL.bottom]),
        text([px, PANEL.height - 30], count(value), 'text-anchor="middle"'),
      ].join(''),
    ),
    text([panel.x + PANEL.width / 2, PANEL.height - 10], 'MiB moved (read and written)', 'text-anchor="middle"'),
    ...axis(panel.yAxis, y).map(([value, py]) =>
      [
        line([panel.x + PANEL.left, py], [panel.x + PANEL.width - PANEL.right, py]),
        text([panel.x + PANEL.left - 6, py + 4], count(value), 'text-anchor="end"'),
      ].join(''),
    ),
    `<polyline fill="none" stroke="#1a7f37" stroke-width="2" points="${inside.map((point) => at(point).map(one).join(',')).join(' ')}"/>`,
    ...inside.map((point) => dot(at(point), '#1a7f37', 2)),
    ...(ours === undefined ? [] : [dot(at(ours), '#1a7f37', 5), label(at(ours), 's3compact (default)', '#1a7f37')]),
    ...figures.totals
      .filter(({ policy }) => policy === 'curvefs' || policy === 'juicefs')
      .flatMap((total) => [dot(at(total), '#b35900', 5), label(at(total), total.policy, '#b35900')]),
  ];
}

function place(value: number, { from, to }: Axis, [low, high]: readonly [number, number]): number {
  return low + ((high - low) * Math.log(value / from)) / Math.log(to / from);
}

/** 1, 2 and 5 times the powers of ten. */
function axis({ from, to }: Axis, scale: (value: number) => number): [number, number][] {
  const out: [number, number][] = [];
  for (let power = 1; power <= to; power *= 10) {
    for (const value of [power, 2 * power, 5 * power])
      if (value >= from && value <= to) out.push([value, scale(value)]);
  }
  return out;
}

function one(value: number): string {
  return value.toFixed(1);
}

function count(value: number): string {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

function line([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): string {
  return `<line x1="${one(x1)}" y1="${one(y1)}" x2="${one(x2)}" y2="${one(y2)}" stroke="#ddd"/>`;
}

function dot([x, y]: readonly [number, number], color: string, radius: number): string {
  return `<circle cx="${one(x)}" cy="${one(y)}" r="${radius}" fill="${color}"/>`;
}

function label([x, y]: readonly [number, number], words: string, color: string): string {
  return text([x + 8, y - 6], words, `fill="${color}"`);
}

function text([x, y]: readonly [number, number], words: string, more: string): string {
  return `<text x="${one(x)}" y="${one(y)}" ${more}>${words}</text>`;
}
