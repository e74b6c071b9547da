/**
 * Which layout the files of a metadata service have, by the scheme of its URL: blocks (CurveFS's, also on Redis) or slices
 * (JuiceFS's). It stands alone so that commands choose their form from this one table and never by the name of a system.
 */
import { JUICEFS_SCHEME } from './juicefs.ts';

export type LayoutName = 'blocks' | 'slices';

/** Everything else has blocks. */
const SCHEMES: readonly { readonly begins: string; readonly layout: LayoutName }[] = [
  { begins: JUICEFS_SCHEME, layout: 'slices' },
];

export function layoutOf(metadataUrl: string): LayoutName {
  return SCHEMES.find(({ begins }) => metadataUrl.startsWith(begins))?.layout ?? 'blocks';
}
