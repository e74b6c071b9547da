/**
 * The three pictures of docs/design.md, drawn from data: a stack of versions with what a reader sees of it (by the planner's own
 * code), the steps of an attempt with what is left when it dies there, and the looks of the reaper. A test holds the steps
 * against a real attempt and the files in docs/ against this. It must not write files.
 */
import type { S3ChunkInfo } from '../../src/model.ts';
import { validRanges } from '../../src/plan/index.ts';
import { arrow, COLORS, lines, picture, QUIET, rect, text } from './svg.ts';

/** By file name. */
export function pictures(): ReadonlyMap<string, string> {
  return new Map([
    ['versions.svg', drawVersions()],
    ['attempt.svg', drawAttempt()],
    ['reaper.svg', drawReaper()],
  ]);
}

const CHUNK_BYTES = 64;
const BLOCK_BYTES = 16;

/** Five writes, oldest first; one of them is a hole that was punched. */
const VERSIONS: readonly S3ChunkInfo[] = [
  [1n, 0, 40, false],
  [2n, 30, 20, false],
  [3n, 6, 4, false],
  [4n, 18, 6, true],
  [5n, 34, 9, false],
].map(([chunkId, offset, len, zero]) => ({
  chunkId: BigInt(Number(chunkId)),
  compaction: 0n,
  offset: Number(offset),
  len: Number(len),
  size: Number(len),
  zero: zero === true,
}));

function drawVersions(): string {
  const scale = 11;
  const x = (offset: number): number => 130 + offset * scale;
  const y = (row: number): number => 58 + row * 34;
  const shapes: string[] = [text([20, 26], 'What clients wrote: versions, the newest on top', { bold: true })];
  const rows = VERSIONS.map((version, n) => ({ version, color: COLORS[n] ?? 'white', row: VERSIONS.length - 1 - n }));
  for (const { version, color, row } of rows) {
    const box = { x: x(version.offset), y: y(row), width: version.len * scale, height: 24 };
    shapes.push(
      text([20, y(row) + 17], `version ${version.chunkId}`),
      rect(box, version.zero ? 'white' : color, version.zero),
    );
    if (version.zero) shapes.push(text([box.x + box.width / 2, y(row) + 17], 'zeros', { middle: true, color: QUIET }));
  }
  const ranges = validRanges(VERSIONS, { begin: 0, end: CHUNK_BYTES });
  const seenY = y(VERSIONS.length) + 30;
  shapes.push(
    text([20, seenY - 12], 'What a reader sees: valid ranges, one GET for each piece of an object', { bold: true }),
  );
  for (const { begin, end, version } of ranges) {
    const zero = VERSIONS[version]?.zero === true;
    const box = { x: x(begin), y: seenY, width: (end - begin) * scale, height: 24 };
    shapes.push(rect(box, zero ? 'white' : (COLORS[version] ?? 'white'), zero));
    shapes.push(text([box.x + box.width / 2, seenY + 17], zero ? '0' : String(version + 1), { middle: true }));
  }
  for (let block = 0; block * BLOCK_BYTES <= CHUNK_BYTES; block++) {
    const at = x(block * BLOCK_BYTES);
    shapes.push(`<line x1="${at}" y1="40" x2="${at}" y2="${seenY + 34}" stroke="${QUIET}" stroke-dasharray="2 4"/>`);
    if (block * BLOCK_BYTES < CHUNK_BYTES) {
      shapes.push(text([at + (BLOCK_BYTES * scale) / 2, seenY + 48], `block ${block}`, { middle: true, color: QUIET }));
    }
  }
  shapes.push(text([x(51), seenY + 17], 'a hole: reads as zeros', { color: QUIET }));
  return picture('A stack of versions, and the valid ranges that a reader sees', [860, seenY + 64], shapes);
}

export interface Step {
  readonly name: string;
  readonly what: readonly string[];
  /** The phase that a run reports there (`RunPhase`); two steps may share one. */
  readonly phase: 'record' | 'merge' | 'commit' | null;
  /** What is there when the worker dies right after this step. */
  readonly left: readonly string[];
  readonly after: readonly string[];
}

/** The order is the safety argument. */
export const STEPS: readonly Step[] = [
  {
    name: 'fence',
    what: ['the attempt number', 'goes onto the inode'],
    phase: null,
    left: ['a fence'],
    after: ['the next attempt', 'replaces it'],
  },
  {
    name: 'record',
    what: ['the queue keeps', 'every name, due at', 'now + lease'],
    phase: 'record',
    left: ['fence, record'],
    after: ['two looks find', 'nothing to delete'],
  },
  {
    name: 'PUTs',
    what: ['merged objects,', 'create if absent'],
    phase: 'merge',
    left: ['fence, record,', 'merged objects'],
    after: ['two looks delete', 'the merged objects'],
  },
  {
    name: 'commit',
    what: ['swaps exactly the', 'versions that were', 'read, if the fence', 'stands'],
    phase: 'commit',
    left: ['new list, record,', 'old objects'],
    after: ['two looks delete', 'the old objects'],
  },
  {
    name: 'stamp',
    what: ['the record is due', 'at now + grace'],
    phase: null,
    left: ['new list, stamped', 'record, old objects'],
    after: ['one look deletes', 'the old objects'],
  },
];

function drawAttempt(): string {
  const left = 110;
  const width = 172;
  const shapes: string[] = [
    text([20, 26], 'An attempt, and what is left when the worker dies right after a step', { bold: true }),
    text([20, 78], 'step'),
    text([20, 210], 'left behind'),
    text([20, 280], 'later'),
  ];
  for (const [n, step] of STEPS.entries()) {
    const x = left + n * width;
    shapes.push(rect({ x, y: 48, width: width - 24, height: 110 }, COLORS[n] ?? 'white'));
    shapes.push(
      text([x + (width - 24) / 2, 70], step.name, { bold: true, middle: true }),
      lines([x + 8, 92], step.what),
    );
    if (n > 0) shapes.push(arrow([x - 22, 103], [x - 3, 103]));
    shapes.push(lines([x + 4, 210], step.left), lines([x + 4, 280], step.after, QUIET));
    shapes.push(arrow([x + 40, 162], [x + 40, 190]));
  }
  return picture('The steps of an attempt', [left + STEPS.length * width, 320], shapes);
}

interface Look {
  readonly at: string;
  readonly does: readonly string[];
}

const LINES: readonly { readonly title: string; readonly looks: readonly Look[] }[] = [
  {
    title: 'stamped: the commit is known to have happened',
    looks: [
      { at: 'commit, stamp', does: ['old objects are', 'unreferenced from here'] },
      {
        at: 'one grace later',
        does: ['read the lists again; check the objects', 'that replace them; delete what no list', 'references'],
      },
    ],
  },
  {
    title: 'not stamped: nobody knows how the attempt ended',
    looks: [
      {
        at: 'lease over: first look',
        does: ['take the fence away: no commit', 'after this; note what no list', 'references'],
      },
      {
        at: 'one grace later: second look',
        does: [
          'the same again; delete what was',
          'unreferenced at both looks, unless',
          'the fence or the server changed',
        ],
      },
    ],
  },
];

function drawReaper(): string {
  const shapes: string[] = [];
  for (const [n, line] of LINES.entries()) {
    const y = 30 + n * 150;
    shapes.push(text([20, y], line.title, { bold: true }), arrow([30, y + 36], [810, y + 36]));
    for (const [m, look] of line.looks.entries()) {
      const x = 60 + m * 460;
      shapes.push(`<circle cx="${x}" cy="${y + 36}" r="7" fill="${COLORS[m] ?? 'white'}" stroke="black"/>`);
      shapes.push(text([x + 14, y + 28], look.at), lines([x + 14, y + 62], look.does));
    }
    shapes.push(text([380, y + 54], 'readers may still hold', { middle: true, color: QUIET }));
    shapes.push(text([380, y + 71], 'the old list', { middle: true, color: QUIET }));
  }
  return picture('The looks of the reaper', [840, 300], shapes);
}
