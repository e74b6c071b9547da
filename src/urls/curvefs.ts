/**
 * `curvefs://mds1:6700,mds2:6700`: the addresses of a cluster's MDS. Apart from the client because settings check it
 * before anything is connected. It must not resolve names.
 */
import { CompactError } from '../errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const CURVEFS_SCHEME = 'curvefs://';
const ADDRESSES_MAX = 64;

/** The addresses in a URL. Throws `settings-invalid` (halt). */
export function parseCurvefsUrl(text: string): readonly Address[] {
  if (!text.startsWith(CURVEFS_SCHEME)) throw invalid(`must start with ${CURVEFS_SCHEME}`);
  const hosts = text.slice(CURVEFS_SCHEME.length).replace(/\/$/, '');
  const addresses = hosts.split(',').map((part) => parseAddress(part.trim()));
  if (addresses.length > ADDRESSES_MAX) throw invalid(`names more than ${ADDRESSES_MAX} addresses`);
  return addresses;
}

function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw invalid('needs host:port for each MDS, as in curvefs://mds1:6700,mds2:6700');
  return { host, port };
}

/** Without the text: a URL that was mistyped may hold a password. */
function invalid(what: string): CompactError {
  return new CompactError(`a metadata URL of CurveFS ${what}`, { kind: 'halt', code: 'settings-invalid' });
}
