/**
 * Whether a volume is as it must be, counted from its keys and objects alone: each slice has as many references as records
 * and delayed deletes name it, each of its objects is there, none is there that nothing names, and space and inodes add up.
 */
import type { RawSlice } from '../juicefs/encode.ts';
import { spaceOf } from './client.ts';
import { decodeDelayed, decodeSlice, type ModelVolume, type Size, sliceField, TRASH } from './volume.ts';

export interface Count {
  /** What is wrong, in words; nothing of a good volume. */
  readonly faults: readonly string[];
  readonly slices: number;
  readonly records: number;
  readonly objects: number;
}

/** `leftovers`: objects that nothing names are there for a reason, and counted by whoever asks. */
export async function recount(volume: ModelVolume, { leftovers = false } = {}): Promise<Count> {
  const faults: string[] = [];
  const named = new Map<string, { readonly slice: Size; count: number }>();
  const add = (slice: Size) => {
    const known = named.get(sliceField(slice));
    if (known === undefined) named.set(sliceField(slice), { slice, count: 1 });
    else known.count++;
  };
  const lists = await allLists(volume);
  for (const [key, records] of lists) {
    for (const record of records) {
      if (record.id > 0) add(record);
      if (record.id > 0 && record.off + record.len > record.size)
        faults.push(`${key} shows more than slice ${record.id} has`);
    }
  }
  for (const value of await volume.redis.hvalsBuffer(volume.key('delSlices')))
    for (const slice of decodeDelayed(value)) add(slice);
  const references = await volume.redis.hgetall(volume.key('sliceRef'));
  for (const [field, { count }] of named) {
    const said = Number(references[field] ?? 0) + 1;
    if (said !== count)
      faults.push(`${field} has ${said} references by its count and ${count} by lists and delayed deletes`);
  }
  for (const [field, said] of Object.entries(references))
    if (!named.has(field) && Number(said) >= 0 && said !== '0')
      faults.push(`${field} counts ${said} and nothing names it`);
  const waiting = Object.entries(references).filter(([field, said]) => Number(said) < 0 && !named.has(field));
  const objects = await volume.objects.list();
  const shall = new Map<string, number>();
  for (const { slice } of named.values()) for (const { name, bytes } of volume.blocks(slice)) shall.set(name, bytes);
  const stored = new Map(objects.map(({ name, bytes }) => [name, bytes]));
  for (const [name, bytes] of shall)
    if (stored.get(name) !== bytes) faults.push(`${name} has ${stored.get(name) ?? 'no'} bytes`);
  for (const [field] of waiting) {
    const [id = 0, size = 0] = field.slice(1).split('_').map(Number);
    for (const { name, bytes } of volume.blocks({ id, size })) shall.set(name, bytes);
  }
  if (!leftovers) for (const name of stored.keys()) if (!shall.has(name)) faults.push(`nothing names ${name}`);
  faults.push(...(await spaceFaults(volume)));
  const records = [...lists.values()].reduce((sum, list) => sum + list.length, 0);
  return { faults, slices: named.size, records, objects: objects.length };
}

export async function allLists(volume: ModelVolume): Promise<ReadonlyMap<string, readonly RawSlice[]>> {
  const lists = new Map<string, readonly RawSlice[]>();
  for (const key of await volume.redis.keys(volume.key('c*_*')))
    lists.set(key, (await volume.redis.lrangeBuffer(key, 0, -1)).map(decodeSlice));
  return lists;
}

/** Neither the root nor the trash counts. */
async function spaceFaults(volume: ModelVolume): Promise<string[]> {
  let [space, inodes] = [0, 0];
  for (const key of await volume.redis.keys(volume.key('i*'))) {
    if (key === volume.key('i1') || key === volume.key(`i${TRASH}`)) continue;
    const value = await volume.redis.getBuffer(key);
    if (value === null) continue;
    inodes++;
    space += value.readUInt16BE(1) >> 12 === 1 ? spaceOf(Number(value.readBigUInt64BE(51))) : 4096;
  }
  const said = await volume.redis.mget(volume.key('usedSpace'), volume.key('totalInodes'));
  const found: string[] = [];
  if (Number(said[0]) !== space) found.push(`usedSpace is ${said[0]}, inodes take ${space}`);
  if (Number(said[1]) !== inodes) found.push(`totalInodes is ${said[1]}, there are ${inodes}`);
  return found;
}
