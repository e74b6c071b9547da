/**
 * A TCP proxy on loopback that loses what a network loses: requests, answers, or the whole connection, at a moment that
 * the test chooses. It stands alone because no server can be made to do that at will. It must not read the protocol.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * pass: everything goes through. mute: no answer comes back on the connections there are, ever; they stay open. cut-answer: the next answer is
 * swallowed and the connection closed. cut-request: the next request is. hold: requests are kept until `release`.
 * refuse: connections are closed, old and new.
 */
export type ProxyMode = 'pass' | 'mute' | 'cut-answer' | 'cut-request' | 'hold' | 'refuse';

export interface LossyProxy {
  readonly port: number;
  set(mode: ProxyMode): void;
  /** Lets the requests through that are held, also those of clients that have gone; back to `pass`. */
  release(): void;
  /** Resolves when `hold` holds something. */
  held(): Promise<void>;
  /** From the next connection on. */
  retarget(port: number): void;
  close(): Promise<void>;
}

/** `rewrite` changes what the server answers, in Latin-1; it must keep the length. */
export async function startProxy(
  targetPort: number,
  rewrite: (answer: string) => string = (answer) => answer,
): Promise<LossyProxy> {
  let mode: ProxyMode = 'pass';
  let target = targetPort;
  const sockets = new Set<Socket>();
  const kept: (() => void)[] = [];
  let tellHeld = () => {};
  /** A connection that lost an answer must not bring the next one: it would be taken for the lost one. */
  let muted = new WeakSet<Socket>();
  const server = createServer((client) => {
    if (mode === 'refuse') {
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    let keptHere = 0;
    client.on('data', (data) => {
      if (mode === 'hold') {
        keptHere++;
        kept.push(() => {
          keptHere--;
          upstream.write(data);
          if (client.destroyed) upstream.end();
        });
        tellHeld();
      } else if (mode === 'cut-request') {
        mode = 'pass';
        client.destroy();
        upstream.destroy();
      } else upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (mode === 'cut-answer') {
        mode = 'pass';
        client.destroy();
        upstream.destroy();
      } else if (!muted.has(client)) client.write(rewrite(data.toString('latin1')), 'latin1');
    });
    client.on('close', () => {
      if (keptHere === 0) upstream.end();
    });
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    set: (next) => {
      mode = next;
      if (mode === 'mute') muted = new WeakSet(sockets);
      if (mode === 'refuse') for (const socket of sockets) socket.destroy();
    },
    release: () => {
      mode = 'pass';
      for (const send of kept.splice(0)) send();
    },
    held: () =>
      new Promise((resolve) => {
        if (kept.length > 0) resolve();
        else tellHeld = resolve;
      }),
    retarget: (port) => {
      target = port;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
