/**
 * `npm run demo`: the whole life of a compaction on this machine, with servers of its own and a real worker process.
 * Files from real traces are stored in the CurveFS layout, drawn, compacted through the queue, read back byte for byte
 * against the oracle, and what nothing references any more is deleted after a (short) grace period. Exit code 0 only if every
 * check held. It uses the product as an operator does: settings, the command line, a worker.
 */
import pc from 'picocolors';
import { drawBeforeAfter } from '../src/cli/picture.ts';
import { left, table } from '../src/cli/table.ts';
import { bytes, count } from '../src/view/words.ts';
import type { RunReport } from '../src/wiring/run-inode.ts';
import { loadCase } from '../test/kit/cases/load.ts';
import { fullReadGets } from '../test/kit/oracle/reader.ts';
import type { FileState } from '../test/kit/oracle/types.ts';
import type { RedisFiles } from '../test/kit/support/redis-files.ts';
import { DemoWorld } from './world.ts';

/** Small files of different kinds: an archive that grows, a file system image with zeros, a zip that is extended. */
const CASES = ['tar-append', 'ext4-image.zero', 'zip-grow'];

interface Figures {
  readonly versions: number;
  readonly objects: number;
  readonly gets: number;
}

interface CaseFigures {
  readonly name: string;
  readonly before: Figures;
  readonly after: Figures;
  readonly report: RunReport;
}

class Demo {
  readonly #world: DemoWorld;
  #failed = 0;

  constructor(world: DemoWorld) {
    this.#world = world;
  }

  async run(): Promise<number> {
    const figures: CaseFigures[] = [];
    const inodes: bigint[] = [];
    const { writer } = this.#world;
    let storedBefore = 0;
    for (const [n, name] of CASES.entries()) {
      const inodeId = BigInt(1000 + n);
      inodes.push(inodeId);
      const startedAtMs = performance.now();
      const before = await this.#store(inodeId, name);
      if (n === 0) await this.#startWorker(performance.now() - startedAtMs);
      storedBefore += await bytesOf(writer, [inodeId]);
      const compactedAfterMs = performance.now();
      const report = await this.#compact(inodeId);
      const oldListReads = (await writer.readFault(inodeId, before)) === null;
      const inTime = performance.now() - compactedAfterMs < this.#world.graceMs;
      const after = await writer.state(inodeId);
      this.#draw(before, after);
      this.#check(report.ending === 'done' && report.outcome === 'compacted', 'the worker compacted it');
      this.#check((await writer.readFault(inodeId)) === null, `all ${bytes(after.length)} read right by the new list`);
      this.#checkInTime(oldListReads, inTime, 'a reader that still holds the old list reads right');
      figures.push({ name, before: figuresOf(before), after: figuresOf(after), report });
    }
    await this.#awaitReaping(inodes);
    this.#summary(figures, { storedBefore, storedAfter: await bytesOf(writer, inodes) });
    return this.#failed;
  }

  async #store(inodeId: bigint, name: string): Promise<FileState> {
    const file = loadCase(name);
    say(pc.bold(`\n── ${name}: ${file.source.split(';')[0]}, inode ${inodeId}, ${bytes(file.length)}`));
    await this.#world.writer.createInode(inodeId);
    await this.#world.writer.append(inodeId, file);
    this.#check(
      (await this.#world.writer.readFault(inodeId)) === null,
      'stored in the CurveFS layout, every byte read back',
    );
    return this.#world.writer.state(inodeId);
  }

  async #startWorker(onceMs: number): Promise<void> {
    await this.#world.startWorker(onceMs);
    const { workerPid, graceMs } = this.#world;
    say(
      pc.dim(`  a worker process is ready (pid ${workerPid}); grace period here: ${graceMs / 1000} s, 10 m by default`),
    );
  }

  async #compact(inodeId: bigint): Promise<RunReport> {
    const { fsId } = this.#world.writer.options;
    say(pc.dim(`  $ s3compact inode ${fsId} ${inodeId}`));
    return this.#world.command(['inode', String(fsId), String(inodeId), '--json']);
  }

  #draw(before: FileState, after: FileState): void {
    const [index] = [...before.lists.keys()].sort((a, b) => a - b);
    if (index === undefined) return;
    const chunk = ({ geometry, length, lists }: FileState) => {
      return { geometry, chunkIndex: index, versions: lists.get(index) ?? [], length };
    };
    const width = process.stdout.columns ?? 100;
    say('');
    say(drawBeforeAfter(chunk(before), chunk(after), { color: pc.isColorSupported, width }));
    say('');
  }

  async #awaitReaping(inodes: readonly bigint[]): Promise<void> {
    const { writer } = this.#world;
    say(pc.bold(`\n── Waiting for the grace period (${this.#world.graceMs / 1000} s here)`));
    await this.#world.reapRecordsGone();
    const referenced = await writer.referencedNames(inodes);
    const stored = await writer.bucketNames();
    this.#check(
      JSON.stringify(referenced) === JSON.stringify(stored),
      `the bucket holds exactly the ${count(referenced.length)} objects that the lists reference`,
    );
    for (const inodeId of inodes) {
      this.#check((await writer.readFault(inodeId)) === null, `inode ${inodeId} still reads right`);
      const report = await this.#compact(inodeId);
      this.#check(report.outcome === 'nothing', 'compacting it again does nothing');
    }
  }

  #summary(
    figures: readonly CaseFigures[],
    stored: { readonly storedBefore: number; readonly storedAfter: number },
  ): void {
    say(pc.bold('\n── What was saved\n'));
    const change = (from: number, to: number) => `${count(from)} → ${count(to)}`;
    const rows = figures.map(({ name, before, after, report: { cost } }) => [
      name,
      change(before.versions, after.versions),
      change(before.objects, after.objects),
      change(before.gets, after.gets),
      bytes((cost?.readBytes ?? 0) + (cost?.writeBytes ?? 0)),
    ]);
    say(table([left('file'), 'versions', 'objects', 'GETs per full read', 'bytes moved'], rows, pc));
    say(`\n bytes stored: ${bytes(stored.storedBefore)} → ${bytes(stored.storedAfter)}`);
    if (this.#failed === 0) say(pc.green('\nEvery check held.'));
    else say(pc.red(`\n${this.#failed} checks FAILED.`));
  }

  /** A promise that ends with the grace period: broken later than that, nobody can tell by whom. */
  #checkInTime(held: boolean, inTime: boolean, what: string): void {
    if (held || inTime) this.#check(held, what);
    else say(`  ${pc.yellow('– too slow here to judge:')} ${what}`);
  }

  #check(held: boolean, what: string): void {
    if (!held) this.#failed++;
    say(`  ${held ? pc.green('✓') : pc.red('✗ FAILED:')} ${what}`);
  }
}

function figuresOf(file: FileState): Figures {
  const versions = [...file.lists.values()].flat();
  const objects = new Set<string>();
  for (const { chunkId, compaction, offset, len, zero } of versions) {
    if (zero) continue;
    const { blockSize } = file.geometry;
    for (let block = Math.floor(offset / blockSize); block * blockSize < offset + len; block++) {
      objects.add(`${chunkId}_${compaction}_${block}`);
    }
  }
  return { versions: versions.length, objects: objects.size, gets: fullReadGets(file) };
}

/** Bytes in the bucket that belong to these inodes. */
async function bytesOf(writer: RedisFiles, inodes: readonly bigint[]): Promise<number> {
  let sum = 0;
  for (const [name, size] of await writer.bucketSizes()) {
    if (inodes.some((inodeId) => name.startsWith(`${writer.options.fsId}_${inodeId}_`))) sum += size;
  }
  return sum;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const world = await DemoWorld.start();
try {
  say(pc.bold('s3compact demo'));
  say(pc.dim(`servers: ${world.services}`));
  process.exitCode = (await new Demo(world).run()) === 0 ? 0 : 1;
} finally {
  await world.stop();
}
