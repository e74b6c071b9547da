/**
 * Where the metadata is asked for, in one spelling and without passwords: what tells a copy of it that is served from
 * another place (docs/adr/0019). It connects to nothing and resolves no names.
 */
import { CURVEFS_SCHEME, parseCurvefsUrl } from '../urls/curvefs.ts';
import { parseRedisUrl } from '../urls/redis.ts';

export interface MetadataAddresses {
  /** `host:port`, of Redis with the database (and of Sentinels with the master's name). */
  readonly addresses: readonly string[];
  /** Of Redis. */
  readonly database?: number;
}

export function metadataAddresses(url: string): MetadataAddresses {
  if (url.startsWith(CURVEFS_SCHEME)) {
    return { addresses: parseCurvefsUrl(url).map(({ host, port }) => `${host.toLowerCase()}:${port}`) };
  }
  const { nodes, db, masterName } = parseRedisUrl(url);
  const master = masterName === undefined ? '' : `/${masterName}`;
  return { addresses: nodes.map(({ host, port }) => `${host.toLowerCase()}:${port}${master}/${db}`), database: db };
}
