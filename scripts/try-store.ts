/**
 * `npm run try-store -- BUCKET [--name "SERVER VERSION"] [--no-contract]`: is this S3 server fit for s3compact? On an empty
 * bucket of yours, which is empty again afterwards: `s3compact doctor --write`, one fragmented file compacted, reaped and
 * checked byte by byte, and the project's own contract of an object store, by both ways that requests go. Redis is started
 * and thrown away. The last line is a row for docs/stores.md. It must judge by what happened, never by the server's name.
 *
 * Environment: AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION (us-east-1).
 */
import { parseArgs } from 'node:util';
import { tryContract } from './try-store/contract.ts';
import { type Facts, rowOf } from './try-store/row.ts';
import { TrialWorld } from './try-store/world.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string' }, 'no-contract': { type: 'boolean', default: false } },
});
process.exitCode = await main();

async function main(): Promise<number> {
  const [bucket] = positionals;
  const {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  } = process.env;
  if (bucket === undefined || endpoint === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
    say('usage: npm run try-store -- BUCKET [--name "SERVER VERSION"] [--no-contract]');
    say('with AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, unless us-east-1, AWS_REGION');
    return 2;
  }
  const region = process.env['AWS_REGION'] ?? 'us-east-1';
  const access = { endpoint, region, accessKeyId, secretAccessKey };
  const world = await TrialWorld.open(access, bucket);
  let facts: Facts;
  try {
    if (!(await world.isEmpty())) {
      say(`bucket ${bucket} is not empty: give one whose objects may all be deleted`);
      return 2;
    }
    try {
      const checks = await world.doctor();
      for (const { check, status, found, advice } of checks)
        say(`${status.padEnd(8)} ${check}: ${found}${advice === undefined ? '' : ` (${advice})`}`);
      const compaction = await world.compaction();
      say(`compaction: ${compaction}`);
      facts = { checks, compaction };
    } finally {
      await world.empty();
    }
    if (!values['no-contract']) facts = { ...facts, contract: await tryContract(access, bucket) };
  } finally {
    await world.close();
  }
  for (const failed of facts.contract?.failed ?? []) say(`contract: ${failed}`);
  const { row, fit } = rowOf(values.name ?? new URL(endpoint).host, facts);
  say(`\n${row}`);
  return fit ? 0 : 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
