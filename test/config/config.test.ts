/**
 * Settings: precedence, units, all problems at once, relations (I11), no secrets in messages, and docs/settings.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settingsMarkdown } from '../../scripts/pages/settings.ts';
import {
  allowedOf,
  formOf,
  loadSettings,
  parseNumber,
  printNumber,
  RELATIONS,
  redactText,
  redactUrl,
  SETTINGS,
  type SettingSources,
  type SettingSpec,
  schemaOf,
} from '../../src/config/index.ts';
import { CompactError } from '../../src/errors.ts';

const ROWS: readonly SettingSpec[] = SETTINGS;
const DOCS = fileURLToPath(new URL('../../docs/settings.md', import.meta.url));

/** The message of the settings-invalid error that the sources cause. */
function complaint(sources: SettingSources): string {
  try {
    loadSettings(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(CompactError);
    if (!(error instanceof CompactError)) throw error;
    expect(error).toMatchObject({ code: 'settings-invalid', kind: 'halt' });
    return error.message;
  }
  throw new Error('the settings were accepted');
}

const yaml = (text: string) => ({ path: 's.yaml', text });

describe('the table', () => {
  it('has unique keys, flags and environment names, and none that Kubernetes sets for a service s3compact', () => {
    for (const names of [ROWS.map((row) => row.key), ROWS.map((row) => row.flag), ROWS.map((row) => row.env)]) {
      expect(new Set(names).size).toBe(names.length);
    }
    expect(ROWS.map((row) => row.env).filter((env) => /^S3COMPACT_(SERVICE_|PORT)/.test(env))).toEqual([]);
  });

  it('has defaults that parse, lie in their range and print back as they are written', () => {
    for (const row of ROWS.filter((spec) => spec.default !== undefined)) {
      const value = schemaOf(row).parse(row.default ?? '');
      if (typeof value === 'number' && 'range' in row) {
        expect(printNumber(row.unit, value), row.flag).toBe(row.default);
        expect(printNumber(row.unit, Number(schemaOf(row).parse(row.range[0]))), row.flag).toMatch(/^\d/);
        expect(schemaOf(row).safeParse(row.range[1]).success, row.flag).toBe(true);
      } else {
        expect(value, row.flag).toBe(row.default);
      }
    }
  });

  it('gives the settings of docs/settings.md their defaults, and METADATA_URL the value of REDIS_URL', () => {
    const settings = loadSettings({ env: { REDIS_URL: 'redis://q:1' } });
    expect(settings).toMatchObject({
      redisUrl: 'redis://q:1',
      metadataUrl: 'redis://q:1',
      metadataPrefix: 'fs',
      queuePrefix: 's3compact',
      graceMs: 600_000,
      leaseMs: 3_600_000,
      fragmentThreshold: 4,
      aggressivenessBytes: 768 * 1024,
      maxChunks: 10,
      maxBytes: 2 ** 30,
      maxRequests: 10_000,
      maxRunMs: 600_000,
      logLevel: 'info',
    });
    expect(settings.s3Endpoint).toBeUndefined();
    expect(settings.forcePathStyle).toBeUndefined();
  });

  it('is what docs/settings.md says (UPDATE_GOLDEN=1 writes it)', () => {
    const page = settingsMarkdown();
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(DOCS, page);
    expect(readFileSync(DOCS, 'utf8')).toBe(page);
    for (const row of ROWS) expect(page).toContain(`\`${row.env}\` | \`--${row.flag}\``);
  });
});

describe('precedence', () => {
  const file = yaml('grace: 4m\nS3COMPACT_LEASE: 4h\nmax-chunks: 4\n');

  it('takes the flag over the environment over the file over the default', () => {
    const env = { S3COMPACT_GRACE: '3m', S3COMPACT_LEASE: '3h' };
    expect(loadSettings({ flags: { grace: '2m' }, env, file })).toMatchObject({
      graceMs: 120_000,
      leaseMs: 3 * 3_600_000,
      maxChunks: 4,
      maxRequests: 10_000,
    });
  });

  it('takes an empty variable as not set, an empty flag as an error', () => {
    expect(loadSettings({ env: { S3COMPACT_GRACE: '', METADATA_URL: '' }, file }).graceMs).toBe(240_000);
    expect(complaint({ flags: { grace: '' } })).toContain('--grace = "" (flag)');
  });

  it('takes an empty file as no settings', () => {
    for (const text of ['', '# nothing\n', '---\n']) expect(loadSettings({ file: yaml(text) }).graceMs).toBe(600_000);
  });
});

describe('units', () => {
  const numeric = ['duration', 'size', 'count'] as const;

  it('print and parse back to the same number (property)', () => {
    fc.assert(
      fc.property(fc.constantFrom(...numeric), fc.maxSafeNat(), fc.nat(8), (unit, value, shift) => {
        const number = unit === 'size' ? Math.floor(value / 2 ** shift) : value;
        expect(parseNumber(formOf(unit), printNumber(unit, number))).toBe(number);
      }),
    );
  });

  it('read every documented form', () => {
    const duration = formOf('duration');
    expect(['500ms', '10s', '10m', '1h', '3d'].map((text) => parseNumber(duration, text))).toEqual([
      500, 10_000, 600_000, 3_600_000, 259_200_000,
    ]);
    const size = formOf('size');
    expect(['64KiB', '256MiB', '1GiB', '4096', '7B'].map((text) => parseNumber(size, text))).toEqual([
      65_536, 268_435_456, 1_073_741_824, 4096, 7,
    ]);
  });

  it.each([
    ['duration', ['10', '10 s', '1.5h', '-1s', '10min', '1h30m', '10S', ' 10s', '10s\n', '', 'ms', '9999999999999d']],
    ['size', ['64kb', '64KB', '64K', '1.5GiB', '-1', '0x10', '1e3', '64 KiB', '', '99999999TiB']],
    ['count', ['1.0', '-1', '1e3', '١', '', '+1', '99999999999999999']],
  ] as const)('refuse a %s in any other form', (unit, texts) => {
    for (const text of texts) expect(parseNumber(formOf(unit), text), JSON.stringify(text)).toBeNull();
  });

  it('take a bare number as seconds only where the name says seconds', () => {
    expect(loadSettings({ env: { S3COMPACT_MAX_SECONDS: '90' } }).maxRunMs).toBe(90_000);
    expect(loadSettings({ env: { S3COMPACT_MAX_SECONDS: '2m' } }).maxRunMs).toBe(120_000);
    expect(complaint({ env: { S3COMPACT_GRACE: '90' } })).toContain('is not a duration like');
  });

  it('check every range: one below the least and one above the largest is refused, and said with the range', () => {
    for (const row of ROWS) {
      if (!('range' in row)) continue;
      const form = formOf(row.unit, row.bareSeconds);
      const outside = [(parseNumber(form, row.range[0]) ?? 0) - 1, (parseNumber(form, row.range[1]) ?? 0) + 1];
      for (const value of outside.filter((number) => number >= 0)) {
        const text = complaint({ flags: { [row.flag]: printNumber(row.unit, value) } });
        expect(text).toContain(`--${row.flag} = `);
        expect(text).toContain(`allowed: ${row.range.join(' to ')}`);
      }
    }
  });

  it('check choices, switches, text and URLs', () => {
    const wrong = {
      'log-level': 'loud',
      'force-path-style': 'yes',
      'metadata-prefix': 'a b',
      'queue-prefix': '{open',
      'redis-url': 'http://h',
      'metadata-url': 'redis://',
      's3-endpoint': 'minio:9000',
    };
    const text = complaint({ flags: wrong });
    expect(text).toMatch(/^7 settings are wrong/);
    for (const flag of Object.keys(wrong))
      expect(text).toMatch(new RegExp(`--${flag} (= |\\(flag\\): the Redis URL )`));
    for (const row of ROWS.filter((spec) => spec.flag in wrong && spec.unit !== 'redis' && spec.unit !== 'metadata')) {
      expect(text).toContain(`allowed: ${allowedOf(row)}`);
    }
    expect(loadSettings({ flags: { 'force-path-style': '0' } }).forcePathStyle).toBe(false);
    const hosts = { REDIS_URL: 'redis+cluster://u:p@a:1,b:2', QUEUE_PREFIX: '{s3compact}' };
    expect(loadSettings({ env: hosts }).redisUrl).toBe(hosts.REDIS_URL);
  });
});

describe('choices', () => {
  const choices = ROWS.filter((row) => row.unit === 'choice');

  it.each(choices.map((row) => row.env))('%s is taken in any case', (env) => {
    const row = choices.find((one) => one.env === env);
    for (const choice of row?.choices ?? []) {
      const settings: Readonly<Record<string, unknown>> = loadSettings({ env: { [env]: choice.toUpperCase() } });
      expect(settings[row?.key ?? '']).toBe(choice);
    }
  });
});

describe('problems', () => {
  it('are listed all at once, each with its place, its value and what is allowed', () => {
    const text = complaint({
      flags: { grace: 'soon' },
      env: { S3COMPACT_MAX_CHUNKS: '0', S3COMPACT_LOCK_DURATION: '10s' },
      file: { path: 'conf/s.yaml', text: 'read-gap: 1PiB\nnonsense: 1\n' },
    });
    expect(text.split('\n')).toHaveLength(6);
    expect(text).toContain('5 settings are wrong; nothing was done:');
    expect(text).toContain(`--grace = "soon" (flag) is not a duration`);
    expect(text).toContain('S3COMPACT_MAX_CHUNKS = "0" (environment) is too small; allowed: 1 to 100000');
    expect(text).toContain('read-gap = "1PiB" (file conf/s.yaml) is not a size');
    expect(text).toContain('nonsense (file conf/s.yaml): no such setting');
    expect(text).toContain('S3COMPACT_LOCK_DURATION = 10s (environment)');
  });

  it('in the file: broken YAML, lists, nested values, a setting given twice, the SDK names', () => {
    expect(complaint({ file: yaml('grace: 10m\n  lease: [\n') })).toMatch(/not YAML at line \d/);
    expect(complaint({ file: yaml('- grace\n') })).toContain('not a list of "name: value" lines');
    expect(complaint({ file: yaml('grace:\n  value: 1m\n') })).toContain('needs one value');
    expect(complaint({ file: yaml('grace:\n') })).toContain('needs one value');
    expect(complaint({ file: yaml('grace: 1m\nS3COMPACT_GRACE: 2m\n') })).toContain('given twice');
    expect(complaint({ file: yaml('grace: 1m\ngrace: 2m\n') })).toContain('not YAML');
    const alias = complaint({ file: yaml('redis-url: *s3cr3t\n') });
    expect(alias).toContain('put values that begin with * in quotes');
    expect(alias).not.toContain('s3cr3t');
    expect(complaint({ file: yaml('AWS_SECRET_ACCESS_KEY: s3cr3t\n') })).not.toContain('s3cr3t');
  });

  it('never show a password, wherever it was put (property)', () => {
    const password = fc.stringMatching(/^[A-Za-z0-9!$%^*()_+@/-]{6,20}$/);
    fc.assert(
      fc.property(password, fc.constantFrom('flag', 'env', 'file'), fc.nat(4), (secret, place, form) => {
        const value = [
          `redis://user:${secret}@host:notaport`,
          `amqp://:${secret}@host`,
          `user:${secret}@host:6379`,
          `redis://h:1?password=${secret}&x=[`,
          `redis://user:${secret}@h:1/ 0`,
        ][form];
        // White space makes any of them wrong, so that there is a complaint to look at.
        const quoted = JSON.stringify(`${value} `);
        const sources = {
          flag: { flags: { 'redis-url': value, 'metadata-prefix': `${value} ` } },
          env: { env: { REDIS_URL: value, S3COMPACT_GRACE: value } },
          file: { file: yaml(`redis-url: ${quoted}\nmetadata-url: ${quoted}\n`) },
        }[place as 'flag' | 'env' | 'file'];
        const text = complaint(sources);
        // In a setting that is no URL, text like `user:x@host` cannot be known from any other.
        if (form !== 2 || place === 'file') expect(text.includes(secret), text).toBe(false);
      }),
    );
    expect(complaint({ env: { REDIS_URL: 'user:hunter2@host:6379' } })).not.toContain('hunter2');
    expect(complaint({ env: { REDIS_URL: 'user:hunter2@host:6379' } })).toContain('***@host:6379');
  });

  it('in a relation hide the password too', () => {
    const text = complaint({ env: { REDIS_URL: 'redis+cluster://u:hunter2@a:1,b:2' } });
    expect(text).toContain('{s3compact}');
    expect(text).not.toContain('hunter2');
  });
});

describe('the passphrase of a JuiceFS volume', () => {
  it('comes from the environment and from nowhere else, and no message repeats it', () => {
    const env = { JFS_RSA_PASSPHRASE: 'open-sesame' };
    expect(loadSettings({ env }).juicefsPassphrase).toBe('open-sesame');
    for (const none of [{}, { JFS_RSA_PASSPHRASE: '' }])
      expect(loadSettings({ env: none })).not.toHaveProperty('juicefsPassphrase');
    const text = 'JFS_RSA_PASSPHRASE: open-sesame';
    for (const sources of [
      { file: { path: 'settings.yaml', text } },
      { env: { ...env, S3COMPACT_GRACE: 'open-sesame?' }, flags: { grace: 'JFS_RSA_PASSPHRASE=open-sesame' } },
    ])
      expect(() => loadSettings(sources)).toThrow(/^(?!.*open-sesame).*wrong/s);
  });
});

describe('I11: relations between settings', () => {
  const broken: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'graceMs,readerCacheLifeMs': { grace: '1m', 'reader-cache-life': '1m' },
    'requestsInFlightMin,requestsInFlight': { 'requests-in-flight-min': '33' },
    'bytesPerSecond,maxBytes,concurrency,leaseMs,maxRunMs': { 'bytes-per-second': '1MiB' },
    'totalBytesPerSecond,processes,maxBytes,concurrency,leaseMs,maxRunMs': {
      'total-bytes-per-second': '2MiB',
      processes: '2',
    },
    processMemoryBytes: { 'process-memory': '1MiB' },
    'leaseMs,maxRunMs,s3TimeoutMs,s3PatienceMs,redisTimeoutMs': { lease: '790s' },
    'gcMinAgeMs,leaseMs,graceMs': { 'min-age': '70m' },
    'metadataUrl,quietPeriodMs,redisTimeoutMs': {
      'metadata-url': 'curvefs://mds1:6700,mds2:6700',
      'quiet-period': '10s',
      'redis-timeout': '10s',
    },
    'redisTimeoutMs,leaseMs': { 'redis-timeout': '10s', lease: '10s', 'lock-duration': '10s' },
    'redisTimeoutMs,lockDurationMs': { 'redis-timeout': '15s' },
    'lockDurationMs,leaseMs': { 'lock-duration': '10m', lease: '9m' },
    'redisUrl,queuePrefix': { 'redis-url': 'rediss+cluster://a:1,b:2' },
  };

  it.each(RELATIONS.map((relation) => [relation.uses.join(','), relation] as const))('%s', (uses, relation) => {
    const flags = broken[uses] ?? {};
    expect(Object.keys(flags), 'every relation has a case here').not.toEqual([]);
    const text = complaint({ flags });
    for (const [flag, value] of Object.entries(flags)) expect(text).toContain(`--${flag} = ${value}`);
    expect(relation.holds(loadSettings({}))).toBe(true);
  });

  it('hold at the very border', () => {
    expect(loadSettings({ flags: { grace: '60001ms' } }).graceMs).toBe(60_001);
    expect(complaint({ flags: { grace: '60000ms' } })).toContain(
      'must be longer than --reader-cache-life = 1m (default)',
    );
    // 10m + 2 × 30s × 4 + 10s
    expect(loadSettings({ flags: { lease: '850001ms' } }).leaseMs).toBe(850_001);
    expect(loadSettings({ flags: { 'redis-timeout': '14999ms' } }).redisTimeoutMs).toBe(14_999);
  });

  it('are all told at once, and only for settings that are valid themselves', () => {
    const all = complaint({ flags: { grace: '1s', lease: '10s', 'lock-duration': '20s' } });
    expect(all).toMatch(/^5 settings are wrong|^4 settings are wrong/);
    expect(complaint({ flags: { grace: 'x' } })).toMatch(/^1 setting is wrong/);
  });
});

describe('redaction', () => {
  it('cuts user information and named secrets, keeps the rest', () => {
    expect(redactText('at redis://u:p@ss/w@h:1/0 failed')).toBe('at redis://***@h:1/0 failed');
    expect(redactText('AWS_SECRET_ACCESS_KEY=abc, x=1')).toBe('AWS_SECRET_ACCESS_KEY=***, x=1');
    expect(redactText('"secretAccessKey":"abc"')).toBe('"secretAccessKey":"***"');
    expect(redactText('GET http://h:9000/bucket/1_2_3_0_0')).toBe('GET http://h:9000/bucket/1_2_3_0_0');
    expect(redactUrl('redis://h:6379/0')).toBe('redis://h:6379/0');
    expect(redactUrl('pw@h')).toBe('***@h');
  });
});
