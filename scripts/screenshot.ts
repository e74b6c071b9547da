/**
 * `npm run docs:screenshot`: writes docs/pictures/console.png anew, a file before and after its next run as the console shows it.
 * It needs Debian's chromium; Redis and S3 are servers of its own, with a file of a real program. Nothing else is drawn by hand.
 */
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { chromium } from 'playwright-core';
import { loadSettings } from '../src/config/index.ts';
import { startConsole } from '../src/console/server.ts';
import { createLogger } from '../src/observe/log.ts';
import { openClients } from '../src/wiring/clients.ts';
import { loadCase } from '../test/kit/cases/load.ts';
import { startRedis } from '../test/kit/servers/redis.ts';
import { clientFor, startS3 } from '../test/kit/servers/s3.ts';
import { RedisFiles } from '../test/kit/support/redis-files.ts';

const PICTURE = fileURLToPath(new URL('../docs/pictures/console.png', import.meta.url));
const CASE = 'tar-append';
const INODE = 1000n;

const [redis, s3] = await Promise.all([startRedis(), startS3({ prefer: 'embedded' })]);
await s3.createBucket('docs');
const connection = new Redis(redis.url);
const files = new RedisFiles({
  redis: connection,
  s3: clientFor(s3),
  bucket: 'docs',
  prefix: 'fs',
  fsId: 1,
  geometry: { blockSize: 4096, chunkSize: 65_536 },
});
await files.createFilesystem();
await files.createInode(INODE);
await files.append(INODE, loadCase(CASE));
const env = {
  REDIS_URL: redis.url,
  AWS_ENDPOINT_URL_S3: s3.endpoint,
  AWS_REGION: s3.region,
  S3COMPACT_CONSOLE_LISTEN: '127.0.0.1:0',
};
Object.assign(process.env, { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey });
const log = createLogger({ level: 'warn' });
const clients = await openClients(loadSettings({ env }), log);
const running = await startConsole(clients, log);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, colorScheme: 'light' });
  await page.goto(new URL(`/files/1/${INODE}`, running.url).href);
  const box = await page.locator('article').first().boundingBox();
  if (box === null) throw new Error('the page shows no chunk');
  await page.screenshot({
    path: PICTURE,
    fullPage: true,
    clip: { x: 0, y: 0, width: 1200, height: Math.ceil(box.y + box.height) },
  });
} finally {
  await browser.close();
  await running.close();
  await clients.close();
  connection.disconnect();
  files.options.s3.destroy();
  await Promise.all([redis.stop(), s3.stop()]);
}
