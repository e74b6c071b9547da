/**
 * The embedded S3 server: s3rver on a free loopback port. Started by s3.ts with its data directory as argument;
 * prints `ready PORT` when it listens. It stands alone because it is a program: a second server in the caller's event
 * loop would slow what is measured there. It must not be taken for S3: what it does differently is listed in s3.ts.
 *
 * Two faults of s3rver 4.0.4 would break correct callers and are mended here; it is therefore pinned exactly.
 */
import { rm } from 'node:fs/promises';
import S3rver from '@20minutes/s3rver';

/** It takes the last byte of `bytes=0-0` for "none given" and answers with the whole object; text 0 passes its test. */
function mendFirstByteRange(store: S3rver.Store): void {
  const getObject = store.getObject.bind(store);
  store.getObject = (bucket, key, range) => getObject(bucket, key, range?.end === 0 ? { ...range, end: '0' } : range);
}

/**
 * After a delete it removes the key's directories if they look empty, together with an object that is put there at
 * that moment, and fails when another delete was faster. Empty directories do no harm: they stay.
 */
function mendDelete(store: S3rver.Store): void {
  store.deleteObject = async (bucket, key) => {
    const files = (['object', 'object.md5', 'metadata.json'] as const).map((resource) =>
      store.getResourcePath(bucket, key, resource),
    );
    await Promise.all(files.map((file) => rm(file, { force: true })));
  };
}

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: s3rver-server.ts DIRECTORY');
const server = new S3rver({
  address: '127.0.0.1',
  port: 0,
  directory,
  silent: true,
  // It signs only with its own rules of escaping; ours are checked by a real server.
  allowMismatchedSignatures: true,
  vhostBuckets: false,
});
mendFirstByteRange(server.store);
mendDelete(server.store);
const { port } = await server.run();
process.stdout.write(`ready ${port}\n`);
