/**
 * The routes of the console for a volume in the slice layout: the same pages, links, guards and acts as for blocks. It
 * reads metadata, a page at a time; the queue is there only where acts are allowed.
 */
import type { Context, Hono } from 'hono';
import type { Settings } from '../../config/index.ts';
import { CompactError } from '../../errors.ts';
import { decimalId, decimalNumber } from '../../format.ts';
import type { SliceVolume } from '../../metadata/slice-volume.ts';
import { askStuck } from '../../view/stuck.ts';
import type { WasteOrder } from '../../waste/waste.ts';
import { cancellable } from '../../wiring/cancellable.ts';
import { VOLUME_FS_ID } from '../../wiring/open-volume.ts';
import type { WorkClients } from '../../wiring/work-clients.ts';
import { type AppParts, appWith, formsFor, inTurn } from '../app.ts';
import type { Visited } from '../door.ts';
import { allForms, fileForms, pauseForms } from '../forms.ts';
import { keyOf, show } from '../page.ts';
import type { Sampler } from '../sampler.ts';
import { placesOf, stuckPage } from '../stuck-page.ts';
import { askVolumeFile, volumeFilePage } from './volume-file.ts';
import { orderOf, volumeFiles, volumeOverview, volumeStuck } from './volume-pages.ts';
import type { VolumeWalk } from './volume-walk.ts';

interface VolumeParts extends AppParts {
  readonly volume: SliceVolume;
  readonly settings: Settings;
  readonly walk: VolumeWalk;
  /** Where acts are allowed. */
  readonly work?: { readonly clients: WorkClients; readonly sampler: Sampler };
}

export function volumeApp(parts: VolumeParts): Hono<Visited> {
  const { volume, settings, walk, work } = parts;
  const formsOf = formsFor(parts);
  const worst = (c: Context, order: WasteOrder) => inTurn(c, parts, (signal) => cancellable(walk, signal).worst(order));
  return appWith(parts, (app) => {
    app.get('/', async (c) => {
      const forms = formsOf(c);
      return show(c, volumeOverview(await worst(c, 'waste')), forms && allForms(forms));
    });
    app.get('/files', async (c) => {
      const wanted = c.req.query('inode')?.trim();
      if (wanted !== undefined && wanted !== '') {
        const inodeId =
          decimalId(wanted) ?? (await inTurn(c, parts, (signal) => cancellable(volume, signal).find(wanted)));
        if (inodeId === null) throw new CompactError(`there is no ${wanted}; links are not followed`, MISSING);
        return c.redirect(`/files/${VOLUME_FS_ID}/${inodeId}`);
      }
      const order = orderOf(c.req.query('sort'));
      const forms = formsOf(c);
      return show(c, volumeFiles(await worst(c, order), order), forms && pauseForms(forms, VOLUME_FS_ID));
    });
    app.get('/files/:fs', (c) =>
      decimalNumber(c.req.param('fs')) === VOLUME_FS_ID ? c.redirect('/files') : c.notFound(),
    );
    app.get('/stuck', async (c) => {
      const kept = volumeStuck(await inTurn(c, parts, (signal) => cancellable(walk, signal).look()));
      if (work === undefined) return show(c, kept);
      const places = placesOf((name) => c.req.query(name));
      const stuck = await inTurn(c, parts, (signal) => askStuck(work.clients, places, signal));
      const { body } = stuckPage(stuck, { places, sample: await work.sampler.fresh(), forms: formsOf(c) });
      return show(c, kept, body);
    });
    app.get('/files/:fs/:inode', async (c) => {
      const key = keyOf(c);
      if (key === null || key.fsId !== VOLUME_FS_ID) return c.notFound();
      const chunk = decimalNumber(c.req.query('chunk')) ?? undefined;
      const file = await inTurn(c, parts, (signal) =>
        askVolumeFile(cancellable(volume, signal), key.inodeId, { settings, chunk, signal }),
      );
      const forms = formsOf(c);
      if (work === undefined || forms === undefined) return show(c, volumeFilePage(file, chunk));
      const quarantine = await work.clients.quarantine.get(key);
      return show(c, volumeFilePage(file, chunk, quarantine), fileForms(forms, key, quarantine !== null));
    });
  });
}

const MISSING = { kind: 'halt', code: 'inode-missing' } as const;
