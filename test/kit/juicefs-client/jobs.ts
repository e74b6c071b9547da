/** What some client does once an hour for all of them: the trash, delayed deletes, what nothing references, deleted files. */
import type { ModelClient } from './client.ts';
import { forgetZero } from './compaction.ts';
import { decodeDelayed, type ModelVolume, type Size, sliceField, TRASH } from './volume.ts';

const DAY = 24 * 3600;
const HOUR = 3600;

export async function hourlyJobs(client: ModelClient): Promise<void> {
  const { volume } = client;
  for (const file of await client.deletedFiles(volume.now() - HOUR)) await client.deleteData(file);
  // Without the trash's own inode the job does not run at all.
  if ((await volume.redis.exists(volume.key(`i${TRASH}`))) === 1) {
    await cleanTrash(client);
    await cleanDelayed(volume);
  }
  await cleanSlices(volume);
}

async function cleanTrash(client: ModelClient): Promise<void> {
  const { volume } = client;
  const edge = volume.now() - volume.options.trashDays * DAY - 2 * HOUR;
  for (const [hour, value] of Object.entries(await volume.redis.hgetallBuffer(volume.key(`d${TRASH}`)))) {
    if (Date.parse(`${hour.slice(0, 10)}T${hour.slice(11)}:00:00Z`) / 1000 >= edge) continue;
    const directory = value.readBigUInt64BE(1);
    for (const [name, entry] of Object.entries(await volume.redis.hgetallBuffer(volume.key(`d${directory}`))))
      await client.deleted({ directory, name, inode: Number(entry.readBigUInt64BE(1)) });
    await volume.transaction([volume.key(`d${TRASH}`)], async (queued) => {
      queued.hdel(volume.key(`d${TRASH}`), hour);
      queued.del(volume.key(`i${directory}`));
      queued.incrby(volume.key('usedSpace'), -4096);
      queued.decr(volume.key('totalInodes'));
    });
  }
}

async function cleanDelayed(volume: ModelVolume): Promise<void> {
  const [delayed, references] = [volume.key('delSlices'), volume.key('sliceRef')];
  const edge = volume.now() - volume.options.trashDays * DAY;
  for (const field of await volume.redis.hkeys(delayed)) {
    if (Number(field.split('_')[1]) >= edge) continue;
    let slices: Size[] = [];
    const answers = await volume.transaction([delayed], async (queued) => {
      const value = await volume.redis.hgetBuffer(delayed, field);
      if (value === null) return null;
      slices = decodeDelayed(value);
      for (const slice of slices) queued.hincrby(references, sliceField(slice), -1);
      return queued.hdel(delayed, field);
    });
    for (const [n, slice] of slices.entries()) if (Number(answers?.[n]) < 0) await volume.deleteSlice(slice);
  }
}

async function cleanSlices(volume: ModelVolume): Promise<void> {
  const references = await volume.redis.hgetall(volume.key('sliceRef'));
  for (const [field, count] of Object.entries(references)) {
    const [id = 0, size = 0] = field.slice(1).split('_').map(Number);
    if (Number(count) < 0) await volume.deleteSlice({ id, size });
    else if (count === '0') await forgetZero(volume, field);
  }
}
