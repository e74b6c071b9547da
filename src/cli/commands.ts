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

interface CommandRow {
  readonly name: CommandName | 'completion';
  readonly summary: string;
  /** As in a usage line: `<fs> [inode]`. */
  readonly usage: string;
  readonly load: () => Promise<Register>;
  /** The layout of the files that it works on; absent: both. */
  readonly only?: LayoutName;
}

/** In the order of the help text. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'inode',
    summary: 'compact one inode now and wait for the result',
    usage: '<fs> <inode>',
    load: async () => (await import('./inode.ts')).registerInode,
  },
  {
    name: 'plan',
    summary: 'show what compacting an inode would do; change nothing',
    usage: '<fs> <inode>',
    load: async () => (await import('./plan.ts')).registerPlan,
  },
  {
    name: 'inspect',
    summary: 'show the chunk lists of an inode as they are',
    usage: '<fs> <inode>',
    load: async () => (await import('./inspect.ts')).registerInspect,
  },
  {
    name: 'worker',
    summary: 'work on the compact and reap queues until stopped',
    usage: '',
    load: async () => (await import('./worker.ts')).registerWorker,
  },
  {
    name: 'scan',
    summary: 'find what is worth a run in a file system and queue it',
    usage: '<fs>',
    load: async () => (await import('./scan.ts')).registerScan,
  },
  {
    name: 'waste',
    summary: 'show what a volume keeps in its bucket and nobody reads',
    usage: '<fs>',
    only: 'slices',
    load: async () => (await import('./waste.ts')).registerWaste,
  },
  {
    name: 'run',
    summary: 'scan a file system, do what is worth it, and end',
    usage: '<fs>',
    load: async () => (await import('./run.ts')).registerRun,
  },
  {
    name: 'scheduler',
    summary: 'plan scans of file systems by the clock and carry them out',
    usage: '<fs...>',
    load: async () => (await import('./scheduler.ts')).registerScheduler,
  },
  {
    name: 'status',
    summary: 'show queues, work in flight, backlog, reap records and pauses',
    usage: '[fs]',
    load: async () => (await import('./status.ts')).registerStatus,
  },
  {
    name: 'console',
    summary: 'show queues, the worst files and single files in a browser',
    usage: '',
    load: async () => (await import('./console.ts')).registerConsole,
  },
  {
    name: 'pause',
    summary: 'stop work on a file system, or on all, until it is resumed',
    usage: '[fs]',
    load: async () => (await import('./pause.ts')).registerPause,
  },
  {
    name: 'resume',
    summary: 'let work on a file system, or on all, go on',
    usage: '[fs]',
    load: async () => (await import('./pause.ts')).registerResume,
  },
  {
    name: 'reap',
    summary: 'delete what due reap records list and nothing references, then end',
    usage: '',
    load: async () => (await import('./reap.ts')).registerReap,
  },
  {
    name: 'fsck',
    summary: 'tell which bytes of a file, or of all files, cannot be read; changes nothing',
    usage: '<fs> [inode]',
    load: async () => (await import('./fsck.ts')).registerFsck,
  },
  {
    name: 'repair',
    summary: 'make merged objects again that the store lost, from what they replaced',
    usage: '<fs> <inode>',
    only: 'blocks',
    load: async () => (await import('./repair.ts')).registerRepair,
  },
  {
    name: 'gc',
    summary: 'compare the bucket of a file system with its metadata',
    usage: '<fs>',
    only: 'blocks',
    load: async () => (await import('./gc.ts')).registerGc,
  },
  {
    name: 'hold',
    summary: 'keep everything that the lists of a file system reference, for a backup of its metadata',
    usage: '<fs>',
    only: 'blocks',
    load: async () => (await import('./hold.ts')).registerHold,
  },
  {
    name: 'quarantine',
    summary: 'inodes on which work has stopped',
    usage: '',
    load: async () => (await import('./quarantine.ts')).registerQuarantine,
  },
  {
    name: 'doctor',
    summary: 'tell whether a file system, its metadata service and its bucket are fit for compaction',
    usage: '<fs>',
    load: async () => (await import('./doctor.ts')).registerDoctor,
  },
  {
    name: 'adopt',
    summary: 'make the objects of a file system in its bucket those of this metadata store',
    usage: '<fs>',
    only: 'blocks',
    load: async () => (await import('./adopt.ts')).registerAdopt,
  },
  {
    name: 'example',
    summary: 'make a small file system with fragmented files to try things on',
    usage: '<fs>',
    only: 'blocks',
    load: async () => (await import('./example.ts')).registerExample,
  },
  {
    name: 'completion',
    summary: 'print a script that completes commands and options in a shell',
    usage: '<shell>',
    load: async () => {
      const { registerCompletion } = await import('./completion.ts');
      const loaded = () => Promise.all(COMMANDS.map(async (row) => ({ ...row, register: await row.load() })));
      return (command, context) => registerCompletion(command, context, loaded);
    },
  },
];
