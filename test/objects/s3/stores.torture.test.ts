/** The S3 adapter on the embedded s3rver, by which the tests run where radosgw is not installed (npm run test:embedded). */
import { afterAll, beforeAll } from 'vitest';
import { type S3Service, startS3 } from '../../kit/servers/s3.ts';
import { objectStoreContract } from '../contract.ts';
import { s3Bench } from './bench.ts';

let embedded: S3Service;
beforeAll(async () => {
  embedded = await startS3({ prefer: 'embedded' });
});
afterAll(() => embedded?.stop());
objectStoreContract('s3rver', () => s3Bench(embedded));
