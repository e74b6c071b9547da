/**
 * A file in memory whose chunks are compacted by carrying out the planner's plans to the letter: reads and copies against
 * stored objects, list swapped, retired objects deleted at once. So a plan that reads past an object, names one that is
 * gone, or retires one that is needed shows in the next read. It must not repair or skip anything.
 */
import { mergedObjects, type PlanInput, replacementList, retiredObjects } from '../../src/plan/index.ts';
import { originalObjects } from '../kit/oracle/layout.ts';
import { type ObjectPlace, oracleName } from '../kit/oracle/names.ts';
import { type Fetch, readFile } from '../kit/oracle/reader.ts';
import type { FileState, OracleVersion } from '../kit/oracle/types.ts';
import type { Plan } from './verify.ts';
import { check, fail } from './view.ts';

/** The merged objects of a plan, made by its reads and copies from what `fetch` gives. */
export function executePlan(plan: Plan, attempt: bigint, place: ObjectPlace, fetch: Fetch): Map<string, Uint8Array> {
  const made = new Map<string, Uint8Array>();
  for (const { object, block } of mergedObjects(plan, attempt)) {
    const body = new Uint8Array(block.end - block.begin);
    for (const read of block.reads) {
      const name = oracleName(place, read.source, read.source.blockIndex);
      const source = fetch(name);
      if (source === undefined) fail(`the plan reads ${name}, which does not exist`);
      const inside = read.offset >= 0 && read.len > 0 && read.offset + read.len <= source.length;
      if (!inside) fail(`the plan reads [${read.offset}, +${read.len}) of ${name}, which has ${source.length} bytes`);
      for (const copy of read.copies) {
        const from = read.offset + copy.from;
        body.set(source.subarray(from, from + copy.len), copy.to);
      }
    }
    made.set(oracleName(place, object, object.blockIndex), body);
  }
  return made;
}

export class MemoryFile implements FileState {
  readonly fsId: number;
  readonly inodeId: bigint;
  readonly objectPrefix: number;
  readonly geometry: FileState['geometry'];
  readonly lists: Map<number, readonly OracleVersion[]>;
  readonly objects = new Map<string, Uint8Array>();
  length: number;

  /** Stores the objects of `original` by the content rule. */
  constructor(original: FileState) {
    this.fsId = original.fsId;
    this.inodeId = original.inodeId;
    this.objectPrefix = original.objectPrefix;
    this.geometry = original.geometry;
    this.length = original.length;
    this.lists = new Map(original.lists);
    for (const { name, bytes } of originalObjects(original)) this.objects.set(name, bytes);
  }

  append(version: OracleVersion): void {
    const index = Math.floor(version.offset / this.geometry.chunkSize);
    this.lists.set(index, [...(this.lists.get(index) ?? []), version]);
    const single = { ...this.place, geometry: this.geometry, length: 0, lists: new Map([[index, [version]]]) };
    for (const { name, bytes } of originalObjects(single)) this.objects.set(name, bytes);
  }

  get place(): ObjectPlace {
    return { fsId: this.fsId, inodeId: this.inodeId, objectPrefix: this.objectPrefix };
  }

  read(): Buffer {
    return readFile(this, (name) => this.objects.get(name));
  }

  planInput(chunkIndex: number, rest: Pick<PlanInput, 'policy' | 'budget'>): PlanInput {
    const versions = this.lists.get(chunkIndex) ?? [];
    return { geometry: this.geometry, chunkIndex, versions, length: this.length, ...rest };
  }

  /** Carries out a plan for the head of its chunk's list; what was appended since stays on top (I2). */
  commit(plan: Plan, attempt: bigint): void {
    const list = this.lists.get(plan.chunkIndex) ?? [];
    for (const [position, version] of plan.replaced.entries()) check(list[position] === version, 'the prefix stands');
    for (const [name, body] of executePlan(plan, attempt, this.place, (source) => this.objects.get(source))) {
      if (this.objects.has(name)) fail(`merged object ${name} has no name of its own (I3)`);
      this.objects.set(name, body);
    }
    const rest = list.slice(plan.replaced.length);
    const next = [...replacementList(plan, attempt), ...rest];
    if (next.length === 0) this.lists.delete(plan.chunkIndex);
    else this.lists.set(plan.chunkIndex, next);
    for (const object of retiredObjects(plan, this.geometry)) {
      this.objects.delete(oracleName(this.place, object, object.blockIndex));
    }
  }
}
