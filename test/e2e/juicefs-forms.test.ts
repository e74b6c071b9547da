/**
 * The forms of a volume's address against real servers: the real program makes and fills a volume through the very URL that
 * is then read, with TLS and behind Sentinel. (Redis Cluster: test/metadata/juicefs/cluster.test.ts.)
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { WasteReport } from '../../src/waste/waste.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { findProgram } from '../kit/servers/guarded.ts';
import { juicefsVersion, RealVolume } from '../kit/servers/juicefs.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { startSentinel } from '../kit/servers/sentinel.ts';
import { CommandProcess } from '../kit/support/command-process.ts';
import { freshBucket } from '../setup/isolation.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

/** Makes a volume with one file of 5,000 bytes through this URL, and reads it through the same. */
async function expectRead(name: string, metaUrl: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 's3compact-juicefs-forms-'));
  try {
    mkdirSync(join(directory, 'from'));
    writeFileSync(join(directory, 'from', 'one.bin'), Buffer.alloc(5_000, 7));
    const bucket = await freshBucket(name);
    const real = await RealVolume.format(metaUrl, { name: 'vol', s3: inject('s3'), bucket, env });
    await real.run(['sync', `${directory}/from/`, 'jfs://volume/'], { ...env, volume: metaUrl });
    const read = async (...args: readonly string[]) => {
      // NODE_EXTRA_CA_CERTS is looked at when a process starts.
      const command = new CommandProcess({ args, env: { ...env, METADATA_URL: `juicefs+${metaUrl}` } });
      await command.ended;
      expect({ args, exit: command.exit, lines: command.lines }).toMatchObject({ exit: '0' });
      return JSON.parse(command.stdout) as WasteReport;
    };
    const { live, storedBytes } = await read('waste', '1', '--json');
    expect({ files: live.files, storedBytes }).toEqual({ files: 1, storedBytes: 5_000 });
    await read('inspect', '1', '/one.bin', '--json');
    await read('fsck', '1', '--json');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.runIf(isReal)('a volume', () => {
  let server: RedisService;
  let certificates: string;
  let tlsPort: number;

  beforeAll(async () => {
    certificates = mkdtempSync(join(tmpdir(), 's3compact-certificates-'));
    tlsPort = await freePort();
    if (findProgram('openssl') !== undefined) makeCertificate(certificates);
    server = await startRedis({ config: findProgram('openssl') === undefined ? [] : tlsConfig(certificates, tlsPort) });
  });

  afterAll(async () => {
    await server.stop();
    rmSync(certificates, { recursive: true });
  });

  it.runIf(findProgram('openssl') !== undefined)('behind TLS, with a CA of its own, is read by its URL', async () => {
    const ca = join(certificates, 'certificate.pem');
    await expectRead('juicefs-tls', `rediss://127.0.0.1:${tlsPort}/1`, { SSL_CERT_FILE: ca, NODE_EXTRA_CA_CERTS: ca });
  });

  it('whose password is in META_PASSWORD is read by the URL without it', async () => {
    const locked = await startRedis();
    try {
      const redis = new Redis(locked.url);
      await redis.call('ACL', ...'SETUSER reader on >open-sesame ~* &* +@all'.split(' '));
      await redis.call('ACL', ...'SETUSER default off'.split(' '));
      redis.disconnect();
      await expectRead('juicefs-meta', `redis://reader@${new URL(locked.url).host}/1`, {
        META_PASSWORD: 'open-sesame',
      });
    } finally {
      await locked.stop();
    }
  });

  it('behind Sentinel is read by its URL', async () => {
    const sentinel = await startSentinel(server);
    try {
      await expectRead('juicefs-sentinel', `redis://films,127.0.0.1:${sentinel.port}/2`);
    } finally {
      await sentinel.stop();
    }
  });
});

/** A certificate of 127.0.0.1 that is its own CA. */
function makeCertificate(directory: string): void {
  const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'certificate.pem')];
  const names = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...newKey, ...names, ...files], { stdio: 'ignore' });
}

function tlsConfig(directory: string, port: number): readonly string[] {
  const files = ['--tls-key-file', join(directory, 'key.pem'), '--tls-cert-file', join(directory, 'certificate.pem')];
  return ['--tls-port', `${port}`, ...files, '--tls-auth-clients', 'no'];
}
