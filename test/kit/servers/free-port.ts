/**
 * Free loopback ports for servers that cannot be known "any port". It stands alone because every service needs it.
 * A port may be taken between the look and the use: callers must notice that their server did not come up and try
 * again with another one, and must not believe that whoever answers is theirs.
 */
import { createServer } from 'node:net';

/** `count` different ports of 127.0.0.1 that nothing listens on right now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const probes = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    probes.map(
      (probe) =>
        new Promise<number>((resolve, reject) => {
          probe.once('error', reject);
          probe.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
            const address = probe.address();
            if (address === null || typeof address === 'string') reject(new Error('no TCP address'));
            else resolve(address.port);
          });
        }),
    ),
  );
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}

/** One free loopback port. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  return port;
}
