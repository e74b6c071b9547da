/**
 * The one table of commands: what the program's help and the completions say of each, and where it is loaded from. Only
 * the command that was asked for is loaded, and its clients when it acts: help and usage errors wait for neither.
 * A test compares each usage with what the command registers. It runs nothing.
 */
import type { Command } from 'commander';
import type { CommandName } from '../config/spec.ts';
import type { LayoutName } from '../urls/juicefs.ts';
import type { CliContext } from './context.ts';

/** Adds to the command, which has its name and summary, what it takes and does. */
export type Register = (command: Command, context: CliContext) => void;

type Row = readonly [
  /** As in a usage line: `<fs> [inode]`. */
  usage: string,
  summary: string,
  module: () => Promise<{ readonly register: Register }>,
  /** The layout of the files that it works on; absent: both. */
  only?: LayoutName,
];

/** In the order of the help text. */
const TABLE: Readonly<Record<CommandName | 'completion', Row>> = {
  inode: ['<fs> <inode>', 'compact one inode now and wait for the result', () => import('./inode.ts')],
  plan: ['<fs> <inode>', 'show what compacting an inode would do; change nothing', () => import('./plan.ts')],
  inspect: ['<fs> <inode>', 'show the chunk lists of an inode as they are', () => import('./inspect.ts')],
  worker: ['', 'work on the compact and reap queues until stopped', () => import('./worker.ts')],
  scan: ['<fs>', 'find what is worth a run in a file system and queue it', () => import('./scan.ts')],
  waste: ['<fs>', 'show what a volume keeps in its bucket and nobody reads', () => import('./waste.ts'), 'slices'],
  run: ['<fs>', 'scan a file system, do what is worth it, and end', () => import('./run.ts')],
  scheduler: ['<fs...>', 'plan scans of file systems by the clock and carry them out', () => import('./scheduler.ts')],
  status: ['[fs]', 'show queues, work in flight, backlog, reap records and pauses', () => import('./status.ts')],
  console: ['', 'show queues, the worst files and single files in a browser', () => import('./console.ts')],
  pause: ['[fs]', 'stop work on a file system, or on all, until it is resumed', () => import('./pause.ts')],
  resume: [
    '[fs]',
    'let work on a file system, or on all, go on',
    async () => ({ register: (await import('./pause.ts')).registerResume }),
  ],
  reap: ['', 'delete what due reap records list and nothing references, then end', () => import('./reap.ts')],
  fsck: [
    '<fs> [inode]',
    'tell which bytes of a file, or of all files, cannot be read; changes nothing',
    () => import('./fsck.ts'),
  ],
  repair: [
    '<fs> <inode>',
    'make merged objects again that the store lost, from what they replaced',
    () => import('./repair.ts'),
    'blocks',
  ],
  gc: ['<fs>', 'compare the bucket of a file system with its metadata', () => import('./gc.ts'), 'blocks'],
  hold: [
    '<fs>',
    'keep everything that the lists of a file system reference, for a backup of its metadata',
    () => import('./hold.ts'),
    'blocks',
  ],
  quarantine: ['', 'inodes on which work has stopped', () => import('./quarantine.ts')],
  doctor: [
    '<fs>',
    'tell whether a file system, its metadata service and its bucket are fit for compaction',
    () => import('./doctor.ts'),
  ],
  adopt: [
    '<fs>',
    'make the objects of a file system in its bucket those of this metadata store',
    () => import('./adopt.ts'),
    'blocks',
  ],
  example: [
    '<fs>',
    'make a small file system with fragmented files to try things on',
    () => import('./example.ts'),
    'blocks',
  ],
  completion: ['<shell>', 'print a script that completes commands and options in a shell', loadCompletion],
};

export const COMMANDS = Object.entries(TABLE).map(([name, [usage, summary, module, only]]) => {
  const load = async (): Promise<Register> => (await module()).register;
  return { name, usage, summary, load, only };
});

/** It completes all commands. */
async function loadCompletion() {
  const { registerCompletion } = await import('./completion.ts');
  const loaded = () => Promise.all(COMMANDS.map(async (row) => ({ ...row, register: await row.load() })));
  const register: Register = (command, context) => registerCompletion(command, context, loaded);
  return { register };
}
