/**
 * The contract that every ObjectStore is held to by the tests (test/objects/contract.ts), run by vitest on a bucket that
 * was given. It stands alone because it runs in another process. It must judge nothing: it reports what failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { S3Access } from '../../test/kit/servers/s3.ts';

export interface ContractFacts {
  readonly passed: number;
  /** By name and the first line of the failure. */
  readonly failed: readonly string[];
}

interface VitestReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const FILE = 'test/objects/s3/stores.test.ts';
/** Ends a server that answers nothing. */
const DEADLINE_MS = 20 * 60_000;

export async function tryContract(access: S3Access, bucket: string): Promise<ContractFacts> {
  const folder = await mkdtemp(join(tmpdir(), 's3compact-try-store-'));
  try {
    const report = join(folder, 'report.json');
    const args = ['run', FILE, '-t', 'ObjectStore contract: given', '--reporter=json', `--outputFile=${report}`];
    const child = spawn(process.execPath, [VITEST, ...args], {
      cwd: PROJECT,
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: DEADLINE_MS,
      env: {
        ...process.env,
        S3COMPACT_TEST_S3_ENDPOINT: access.endpoint,
        S3COMPACT_TEST_S3_BUCKET: bucket,
        AWS_REGION: access.region,
        AWS_ACCESS_KEY_ID: access.accessKeyId,
        AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
      },
    });
    await once(child, 'exit');
    return factsOf(JSON.parse(await readFile(report, 'utf8')) as VitestReport);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function factsOf({ testResults }: VitestReport): ContractFacts {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === 'failed');
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: failed.map(
      ({ fullName, failureMessages: [message = ''] = [] }) => `${fullName}: ${message.split('\n')[0]}`,
    ),
  };
}
