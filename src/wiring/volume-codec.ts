/**
 * From a volume's setting, its key and the passphrase of the environment to how its blocks become objects. It stands alone
 * because a secret passes here: it is handed on, kept by nobody else and written nowhere.
 */
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import type { SliceVolume, VolumeSetting } from '../metadata/slice-volume.ts';
import { blockCodec } from '../objects/codec/index.ts';
import type { BlockCodec } from '../objects/port.ts';

/** Throws as SliceVolume does, and `settings-invalid` (halt) where the passphrase of the key is missing or wrong. */
export type CodecOf = (setting: VolumeSetting) => Promise<BlockCodec | undefined>;

/** Of one volume: none of these can be changed while it is there, so the key is asked for once. */
export function codecsOf(volume: SliceVolume, { juicefsPassphrase = '' }: Settings): CodecOf {
  const known = new Map<string, BlockCodec | undefined>();
  return async ({ uuid, compression, encryption }) => {
    const name = `${uuid} ${compression} ${encryption}`;
    if (!known.has(name)) known.set(name, await opened(compression, encryption));
    return known.get(name);
  };

  async function opened(compression: string, encryption: string): Promise<BlockCodec | undefined> {
    if (encryption === 'none') return blockCodec(compression);
    const pem = await volume.encryptKey();
    if (pem === null)
      throw new CompactError('the EncryptKey of the volume is gone; nothing was changed', {
        kind: 'halt',
        code: 'filesystem-malformed',
      });
    return blockCodec(compression, { algorithm: encryption, pem, passphrase: juicefsPassphrase });
  }
}
