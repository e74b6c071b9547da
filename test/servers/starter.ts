/**
 * A program that starts a service and never stops it: what a killed test run or demo looks like from the outside.
 * Prints "started" once the service answers. usage: starter.ts redis|s3 real|embedded
 */
import { startRedis } from '../kit/servers/redis.ts';
import { startS3 } from '../kit/servers/s3.ts';

const [service, kind] = process.argv.slice(2);
const prefer = kind === 'real' ? 'real' : 'embedded';
await (service === 's3' ? startS3({ prefer }) : startRedis({ prefer }));
process.stdout.write('started\n');
// Keeps us here until the signal; `hold` is no delay that anything waits for.
if (process.argv[4] === 'hold') setInterval(() => {}, 2 ** 30);
