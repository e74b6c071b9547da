/**
 * The routes of the console for a volume in the slice layout: the same pages, links and guards as for blocks, and no act. It
 * reads metadata, a page at a time.
 */
import type { Hono } from 'hono';
import type { Settings } from '../../config/index.ts';
import { CompactError } from '../../errors.ts';
import { decimalId, decimalNumber } from '../../format.ts';
import type { SliceVolume } from '../../metadata/slice-volume.ts';
import type { WasteOrder } from '../../waste/waste.ts';
import { VOLUME_FS_ID } from '../../wiring/open-volume.ts';
import { type AppParts, appWith, inTurn } from '../app.ts';
import type { Visited } from '../door.ts';
import { keyOf, show } from '../page.ts';
import { askVolumeFile, volumeFilePage } from './volume-file.ts';
import { orderOf, volumeFiles, volumeOverview, volumeStuck } from './volume-pages.ts';
import type { VolumeWalk } from './volume-walk.ts';

export interface VolumeParts extends AppParts {
  readonly volume: SliceVolume;
  readonly settings: Settings;
  readonly walk: VolumeWalk;
}

export function volumeApp(parts: VolumeParts): Hono<Visited> {
  const { volume, settings, walk, turns } = parts;
  const worst = (order: WasteOrder) => inTurn(turns, () => walk.worst(order));
  return appWith(parts, (app) => {
    app.get('/', async (c) => show(c, volumeOverview(await worst('waste'))));
    app.get('/files', async (c) => {
      const wanted = c.req.query('inode')?.trim();
      if (wanted !== undefined && wanted !== '') {
        const inodeId = decimalId(wanted) ?? (await inTurn(turns, () => volume.find(wanted)));
        if (inodeId === null) throw new CompactError(`there is no ${wanted}; links are not followed`, MISSING);
        return c.redirect(`/files/${VOLUME_FS_ID}/${inodeId}`);
      }
      const order = orderOf(c.req.query('sort'));
      return show(c, volumeFiles(await worst(order), order));
    });
    app.get('/stuck', async (c) => show(c, volumeStuck(await inTurn(turns, () => walk.look()))));
    app.get('/files/:fs/:inode', async (c) => {
      const key = keyOf(c);
      if (key === null || key.fsId !== VOLUME_FS_ID) return c.notFound();
      const chunk = decimalNumber(c.req.query('chunk')) ?? undefined;
      const file = await inTurn(turns, () => askVolumeFile(volume, key.inodeId, { settings, chunk }));
      return show(c, volumeFilePage(file, chunk));
    });
  });
}

const MISSING = { kind: 'halt', code: 'inode-missing' } as const;
