/**
 * The setting of a JuiceFS volume, a JSON that holds its geometry and the keys of its object store. It stands alone so that
 * the keys come out by one way only, and never into a message: whatever is wrong is reported by the name of the field.
 */
import { createDecipheriv, createHash } from 'node:crypto';
import { CompactError } from '../../errors.ts';
import type { StoreKeys, VolumeBucket, VolumeSetting } from '../slice-volume.ts';

/** Kinds of stores whose `Bucket` is an address of S3's form. */
const S3_KINDS: ReadonlySet<string> = new Set(['s3', 'minio']);
const KIB = 1024;
/** What a header can carry. */
const CLASS_NAME = /^[\x21-\x7e]{1,64}$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

type Json = Readonly<Record<string, unknown>>;

/** Throws `filesystem-malformed` (halt). */
export function parseSetting(text: string): VolumeSetting {
  const json = jsonOf(text);
  const storage = textOf(json, 'Storage') ?? 'file';
  const blockSize = numberOf(json, 'BlockSize') * KIB;
  const compression = (textOf(json, 'Compression') ?? 'none').toLowerCase();
  const encryption =
    textOf(json, 'EncryptKey') === undefined ? 'none' : (textOf(json, 'EncryptAlgo') ?? 'aes256gcm-rsa');
  const volume = textOf(json, 'Name');
  const uuid = textOf(json, 'UUID');
  if (volume === undefined || uuid === undefined) throw malformed('Name or UUID is missing');
  if (blockSize < KIB || blockSize > 64 * KIB * KIB) throw malformed('BlockSize is not from 1 to 65536 (KiB)');
  const shards = numberOf(json, 'Shards');
  return {
    volume,
    uuid,
    storage,
    blockSize,
    compression,
    encryption,
    shards,
    hashPrefix: json['HashPrefix'] === true,
    changeLog: json['ChangeLog'] === true,
    wholeObjects: encryption !== 'none' || compression !== 'none',
    store: S3_KINDS.has(storage) && shards <= 1 ? storeOf(json) : null,
    trashDays: numberOf(json, 'TrashDays'),
    metaVersion: numberOf(json, 'MetaVersion'),
    tiers: tiersOf(json['Tiers']),
  };
}

function storeOf(json: Json): VolumeBucket | null {
  const bucket = bucketOf(textOf(json, 'Bucket') ?? '');
  // Where there are tiers (1.4 and later), clients go by the one that files begin in; StorageClass is what it once was.
  const storageClass = textOf(usualTier(json['Tiers']) ?? json, 'StorageClass');
  if (bucket === null || storageClass === undefined) return bucket;
  if (!CLASS_NAME.test(storageClass)) throw malformed('StorageClass is no name of a class');
  return { ...bucket, storageClass };
}

/** The keys in a setting; `null` where there are none. Throws `filesystem-malformed` (halt). */
export function parseKeys(text: string): StoreKeys | null {
  const json = jsonOf(text);
  const names = ['AccessKey', 'SecretKey', 'SessionToken'];
  const [accessKeyId, secret, token] = names.map((name) => textOf(json, name));
  if (accessKeyId === undefined || secret === undefined) return null;
  const open = (name: string, value: string) => (json['KeyEncrypted'] === true ? decrypted(json, name, value) : value);
  return {
    accessKeyId,
    secretAccessKey: open('SecretKey', secret),
    ...(token === undefined ? {} : { sessionToken: open('SessionToken', token) }),
  };
}

/** The key that the keys of objects are wrapped with, as PEM; `null` where there is none. Throws `filesystem-malformed` (halt). */
export function parseEncryptKey(text: string): string | null {
  const json = jsonOf(text);
  const key = textOf(json, 'EncryptKey');
  if (key === undefined) return null;
  return json['KeyEncrypted'] === true ? decrypted(json, 'EncryptKey', key) : key;
}

/** Whoever has the setting has the key: it is made of the volume's uuid. */
function decrypted(json: Json, name: string, value: string): string {
  const sealed = Buffer.from(value, 'base64');
  const key = createHash('md5')
    .update(textOf(json, 'UUID') ?? '')
    .digest();
  try {
    const cipher = createDecipheriv('aes-128-gcm', key, sealed.subarray(0, NONCE_BYTES));
    cipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return cipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + cipher.final('utf8');
  } catch {
    // The cause could repeat what was decrypted.
    const instead = name === 'EncryptKey' ? '' : '; set keys in the environment, as AWS_ACCESS_KEY_ID';
    throw malformed(`${name} cannot be decrypted${instead}`);
  }
}

/**
 * A bucket's address as JuiceFS takes it: http(s)://endpoint/bucket, http(s)://bucket.endpoint, with AWS's own hosts, or
 * without the scheme. `null` for another form.
 */
export function bucketOf(address: string): VolumeBucket | null {
  const place = placeOf(address);
  if (place === null) return null;
  const [, query = ''] = /\?(.*)$/s.exec(address) ?? [];
  const isOff = new URLSearchParams(query).get('disable-checksum')?.toLowerCase() === 'true';
  return { ...place, keepsCrc32c: !isOff };
}

function placeOf(address: string): Omit<VolumeBucket, 'keepsCrc32c'> | null {
  const isPlain = !address.includes('://');
  const scheme = address.includes('.') && !address.endsWith('.amazonaws.com') ? 'http' : 'https';
  const url = URL.parse(isPlain ? `${scheme}://${address}` : address);
  if (url === null || !/^https?:$/.test(url.protocol)) return null;
  const [, inPath = ''] = url.pathname.split('/');
  const [first = '', ...rest] = url.hostname.split('.');
  const isAws = /\.amazonaws\.com(?:\.cn)?$/.test(url.hostname);
  if (isAws && inPath === '') {
    const [, bucket, region] = /^(.+?)\.s3[.-](?:dualstack\.)?(?:([\w-]+)\.)?amazonaws\.com/.exec(url.hostname) ?? [];
    return bucket === undefined ? null : { bucket, ...awsRegion(region) };
  }
  if (isAws)
    return { bucket: inPath, ...awsRegion(/^s3[.-](?:dualstack\.)?([\w-]+)\.amazonaws/.exec(url.hostname)?.[1]) };
  if (inPath !== '') return { bucket: inPath, endpoint: `${url.protocol}//${url.host}` };
  if (rest.length === 0) return { bucket: first };
  return { bucket: first, endpoint: `${url.protocol}//${url.host.slice(first.length + 1)}` };
}

function awsRegion(name: string | undefined): { readonly region?: string } {
  return name === undefined || name === 'external-1' ? {} : { region: name };
}

function tiersOf(value: unknown): number {
  if (!isObject(value)) return 0;
  const isTagged = textOf(usualTier(value) ?? {}, 'Tag') !== undefined;
  return Object.keys(value).filter((id) => id !== '0' || isTagged).length;
}

function usualTier(tiers: unknown): Json | undefined {
  return isObject(tiers) && isObject(tiers['0']) ? tiers['0'] : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonOf(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('it is no JSON');
  }
  if (!isObject(value)) throw malformed('it is no JSON object');
  return value;
}

function textOf(json: Json, name: string): string | undefined {
  const value = json[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw malformed(`${name} is no text`);
  return value;
}

function numberOf(json: Json, name: string): number {
  const value = json[name] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw malformed(`${name} is no count`);
  return value;
}

function malformed(what: string): CompactError {
  const message = `the setting of the JuiceFS volume cannot be used: ${what}; nothing was changed`;
  return new CompactError(message, { kind: 'halt', code: 'filesystem-malformed' });
}
