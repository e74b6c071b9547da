/**
 * `npm run try-store` on the S3 server of this run: it finds it fit, leaves nothing behind, and touches no bucket that holds
 * anything. The table of docs/stores.md has the columns that it prints.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, expect, inject, it } from 'vitest';
import { HEAD, rowOf } from '../../scripts/try-store/row.ts';
import type { Check } from '../../src/cli/doctor-check.ts';
import { freshBucket, testS3Client } from '../setup/isolation.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/try-store.ts', import.meta.url));
const STORES = fileURLToPath(new URL('../../docs/stores.md', import.meta.url));
const client = testS3Client();
afterAll(() => client.destroy());

async function tryStore(bucket: string): Promise<{ readonly exitCode: number | null; readonly stdout: string }> {
  const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
  const child = spawn(process.execPath, [SCRIPT, bucket, '--name', 'tried', '--no-contract'], {
    env: {
      ...process.env,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  await once(child, 'close');
  return { exitCode: child.exitCode, stdout };
}

async function namesIn(bucket: string): Promise<readonly (string | undefined)[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key }) => Key);
}

it('tries a store, prints its row and leaves nothing', async () => {
  const bucket = await freshBucket('try-store');
  const { exitCode, stdout } = await tryStore(bucket);
  expect(exitCode, stdout).toBe(0);
  expect(stdout).toMatch(/^\| tried \| ok \| .* \| not asked \| yes \|$/m);
  expect(await namesIn(bucket)).toEqual([]);
});

it('leaves a bucket alone that is not empty', async () => {
  const bucket = await freshBucket('try-store');
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'mine', Body: 'mine' }));
  const { exitCode, stdout } = await tryStore(bucket);
  expect(exitCode, stdout).toBe(2);
  expect(await namesIn(bucket)).toEqual(['mine']);
});

it('a store is fit only when no check failed and the file is right', () => {
  const check = (name: string, status: Check['status']): Check => ({ check: name, status, found: '' });
  const checks = [check('put', 'ok'), check('condition', 'warning')];
  expect(rowOf('s', { checks, compaction: 'done: fewer' }).fit).toBe(true);
  expect(rowOf('s', { checks, compaction: 'reads wrong' }).fit).toBe(false);
  expect(rowOf('s', { checks: [check('delete', 'failed')], compaction: 'done: fewer' }).fit).toBe(false);
});

it('docs/stores.md has the columns of the rows', () => {
  const tables = readFileSync(STORES, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'));
  expect(tables).toContain(`| ${HEAD.join(' | ')} |`);
});
