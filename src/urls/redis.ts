/**
 * Redis URLs in their four forms: one server, TLS, cluster, sentinel. It stands alone because ioredis takes a string
 * for one server only, and because a URL holds a password: whatever is wrong with it is reported without it.
 * It must not connect to anything.
 */
import { CompactError } from '../errors.ts';
import { redactUrl } from '../redact.ts';

/** Where a URL points to. Never print it: it holds the password. */
export interface RedisTarget {
  readonly form: 'single' | 'cluster' | 'sentinel';
  /** At least one; sentinels in the sentinel form. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly db: number;
  /** Of the data servers. */
  readonly username?: string;
  readonly password?: string;
  /** Only of the sentinel form. */
  readonly masterName?: string;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
}

const URL_FORM =
  /^(redis|rediss)(?:\+(cluster|sentinel))?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Reads a Redis URL. Throws `settings-invalid` (halt), without user and password. */
export function parseRedisUrl(url: string): RedisTarget {
  const [, scheme, plus, user, hosts, path = '', query] = URL_FORM.exec(url) ?? [];
  if (hosts === undefined) {
    throw invalid(
      url,
      'is none of redis://[user:password@]host:port[/db], rediss:// (the same with TLS), redis+cluster://host:port,host:port and redis+sentinel://host:port,host:port/master[/db][?sentinelPassword=…]; percent-encode @ / ? # in user and password',
    );
  }
  const form = plus === 'cluster' || plus === 'sentinel' ? plus : 'single';
  const parts = path === '' ? [] : path.split('/');
  const masterName = form === 'sentinel' ? parts.shift() : undefined;
  if (form === 'sentinel' && !masterName) throw invalid(url, 'names no master: redis+sentinel://host:port/master');
  const [db = '0', ...more] = parts;
  if (!/^\d{1,5}$/.test(db) || more.length > 0) throw invalid(url, 'ends in something that is no database number');
  if (form === 'cluster' && Number(db) !== 0) throw invalid(url, 'names a database, but Redis Cluster has only 0');
  const nodes = hosts.split(',').map((text) => parseHost(url, text, form));
  if (form === 'single' && nodes.length > 1) {
    throw invalid(url, 'lists several hosts; that takes redis+cluster:// or redis+sentinel://');
  }
  return {
    form,
    nodes,
    tls: scheme === 'rediss',
    db: Number(db),
    ...(masterName === undefined ? {} : { masterName: decode(url, masterName) }),
    ...credentials(url, user),
    ...sentinelCredentials(url, form, query),
  };
}

/** What sentinels want may differ from what the data servers want. */
export function sentinelCredentials(
  url: string,
  form: RedisTarget['form'],
  query = '',
): { readonly sentinelUsername?: string; readonly sentinelPassword?: string } {
  const found: { sentinelUsername?: string; sentinelPassword?: string } = {};
  for (const part of query === '' ? [] : query.split('&')) {
    const [name, value = ''] = [part.replace(/=.*$/s, ''), /=(.*)$/s.exec(part)?.[1]];
    if (form !== 'sentinel' || (name !== 'sentinelUsername' && name !== 'sentinelPassword') || value === '') {
      throw invalid(
        url,
        'has something after a question mark; only redis+sentinel:// takes ?sentinelPassword=… and &sentinelUsername=…',
      );
    }
    found[name] = decode(url, value);
  }
  return found;
}

export function credentials(url: string, user = ''): { readonly username?: string; readonly password?: string } {
  const colon = user.indexOf(':');
  if (user !== '' && colon < 0) throw invalid(url, 'has a user without a password');
  const username = decode(url, user.slice(0, Math.max(colon, 0)));
  const password = decode(url, user.slice(colon + 1));
  if (password === '' && username !== '') throw invalid(url, 'has a user without a password');
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function decode(url: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(url, 'has a % that is not followed by two hexadecimal digits');
  }
}

export function parseHost(
  url: string,
  text: string,
  form: RedisTarget['form'],
): { readonly host: string; readonly port: number } {
  const parsed = URL.parse(`redis://${text}`);
  // Brackets belong to the URL, not to the IPv6 address.
  const host = parsed?.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!parsed || !host || parsed.port === '0') throw invalid(url, 'has a host or a port that cannot be');
  const defaultPort = form === 'sentinel' ? SENTINEL_PORT : REDIS_PORT;
  return { host, port: parsed.port === '' ? defaultPort : Number(parsed.port) };
}

function invalid(url: string, what: string): CompactError {
  return new CompactError(`the Redis URL ${redactUrl(url)} ${what}`, { kind: 'halt', code: 'settings-invalid' });
}
