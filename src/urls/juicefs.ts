/**
 * `juicefs+redis://…`: the address of a JuiceFS volume, written behind `juicefs+` as JuiceFS itself takes it. It stands
 * alone because JuiceFS writes Sentinel and Cluster in other forms than ours: the master's name as the first host,
 * several hosts for a cluster, the database as the volume. It must not connect to anything.
 */
import { CompactError } from '../errors.ts';
import { redactUrl } from '../redact.ts';
import { credentials, parseHost, type RedisTarget, sentinelCredentials } from './redis.ts';

export const JUICEFS_SCHEME = 'juicefs+';

/** Of the files of a metadata service: blocks (CurveFS's, also on Redis) or slices (JuiceFS's). */
export type LayoutName = 'blocks' | 'slices';

/** Commands choose their form by this, never by the name of a system. */
export function layoutOf(metadataUrl: string): LayoutName {
  return metadataUrl.startsWith(JUICEFS_SCHEME) ? 'slices' : 'blocks';
}

const FORM = /^juicefs\+(redis|rediss):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/(\d{0,5}))?(?:\?([^#]*))?$/;
/** What JuiceFS takes there and what changes nothing for one that only reads. */
const PASSED_OVER = /^(?:(?:min|max)[-_]retry[-_]backoff|(?:read|write)[-_]timeout|route-read|client[-_]cache[\w-]*)$/;

/**
 * Where the volume is. In the form `cluster`, `db` is the number in braces that its keys begin with; a target with one host
 * may turn out to be a cluster. Throws `settings-invalid` (halt), without user and password.
 */
export function parseJuicefsUrl(url: string): RedisTarget {
  const [, scheme, user, hosts, db, query = ''] = FORM.exec(url) ?? [];
  if (hosts === undefined) {
    throw invalid(
      url,
      'is none of juicefs+redis://[user:password@]host:port[/db], juicefs+rediss://… (TLS), juicefs+redis://host1:port,host2:port/db (Cluster) and juicefs+redis://master,host1,host2:port/db (Sentinel); other metadata engines than Redis are not supported; percent-encode @ / ? # in user and password',
    );
  }
  const names = hosts.split(',');
  const comma = hosts.indexOf(',');
  const colon = hosts.indexOf(':');
  const sentinel = comma >= 0 && (colon < 0 || comma < colon);
  const form = sentinel ? 'sentinel' : comma < 0 ? 'single' : 'cluster';
  const masterName = sentinel ? names.shift() : undefined;
  if (masterName === '') throw invalid(url, 'names no master before its sentinels');
  // The port of the last sentinel is that of all without one.
  const port = sentinel ? /:(\d+)$/.exec(hosts)?.[1] : undefined;
  const withPort = (name: string) => (port === undefined || /:\d+$/.test(name) ? name : `${name}:${port}`);
  return {
    form,
    nodes: names.map((name) => parseHost(url, withPort(name), form)),
    tls: scheme === 'rediss',
    db: Number(db ?? 0),
    masterName,
    // A user alone is one whose password is in META_PASSWORD.
    ...(/^[^:]+:?$/.test(user ?? '') ? {} : credentials(url, user)),
    ...sentinelCredentials(url, form, usedOf(url, query)),
  };
}

/** The address with the password that JuiceFS takes from META_PASSWORD where its URL has none. */
export function withMetaPassword(url: string, password: string): string {
  if (password === '' || parseJuicefsUrl(url).password !== undefined) return url;
  const [, scheme, user = '', rest] = /^([^:]*:\/\/)(?:([^@/?#:]*):?@)?(.*)$/s.exec(url) ?? [];
  return `${scheme}${user}:${encodeURIComponent(password)}@${rest}`;
}

/** The part of the query that matters. */
function usedOf(url: string, query: string): string {
  const parts = query.split('&').filter((part) => part !== '' && !PASSED_OVER.test(part.replace(/=.*$/s, '')));
  if (parts.some((part) => /^(?:tls-|insecure-)/.test(part))) {
    throw invalid(
      url,
      'has a TLS option after the question mark; name the CA with NODE_EXTRA_CA_CERTS instead, client certificates are not supported',
    );
  }
  return parts.join('&');
}

function invalid(url: string, what: string): CompactError {
  return new CompactError(`the JuiceFS URL ${redactUrl(url)} ${what}`, { kind: 'halt', code: 'settings-invalid' });
}
