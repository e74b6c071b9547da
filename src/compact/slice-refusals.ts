/**
 * Which volumes of slices are not compacted, by their setting, and why: asked by every run before it begins, and by `doctor`.
 * What is not known here is refused. It must change nothing and ask nobody.
 */
import { CompactError } from '../errors.ts';
import type { VolumeSetting } from '../metadata/slice-volume.ts';

/** The form of metadata that is known. */
export const META_VERSION = 1;

/** How objects may be compressed. */
const COMPRESSIONS: ReadonlySet<string> = new Set(['none', 'lz4', 'zstd']);

/** How objects may be encrypted, by the names of `EncryptAlgo`. */
const ENCRYPTIONS: ReadonlySet<string> = new Set(['none', 'aes256gcm-rsa', 'chacha20-rsa']);

/** The names of settings as JuiceFS has them, with what stands there. */
export function sliceRefusals(setting: VolumeSetting): readonly string[] {
  const { metaVersion, changeLog, shards, encryption, compression, storage, store, tiers } = setting;
  const rows: readonly (readonly [refused: boolean, why: string])[] = [
    [metaVersion !== META_VERSION, `MetaVersion ${metaVersion}: only ${META_VERSION} is known`],
    [changeLog, 'ChangeLog is on, and its entries cannot say what is changed'],
    [shards > 1, `Shards ${shards}: its objects are in several buckets`],
    [!ENCRYPTIONS.has(encryption), `EncryptAlgo ${encryption}: it is not known`],
    [!COMPRESSIONS.has(compression), `Compression ${compression}: it is not known`],
    [shards <= 1 && store === null, `Storage ${storage}: no bucket of S3`],
    [tiers > 0, `Tiers: ${tiers} with a storage class or a tag of its own`],
  ];
  return rows.filter(([refused]) => refused).map(([, why]) => why);
}

/** Throws `metadata-refused` (halt). */
export function requireCompactable(setting: VolumeSetting): void {
  const refusals = sliceRefusals(setting);
  if (refusals.length === 0) return;
  throw new CompactError(
    `volume ${setting.volume} is not compacted for its setting (${refusals.join('; ')}); nothing was changed`,
    { kind: 'halt', code: 'metadata-refused' },
  );
}
