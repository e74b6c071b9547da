/**
 * What the client of CurveFS's protocol costs: GetInode calls at 64 in flight on one connection, against a bare socket
 * that sends and receives the same bytes and looks at none. The server is another process and the same for both; rounds
 * take turns, the median counts. `npm run bench:rpc`; exit code 1 when a call costs more than twice the bare exchange.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Channel } from '../src/metadata/curvefs/channel.ts';
import { requestFrame } from '../src/metadata/curvefs/frame.ts';
import { GetInodeResponse, getInode } from '../src/metadata/curvefs/proto/metaserver.ts';

const IN_FLIGHT = 64;
const ROUNDS = 7;
const RATIO_MAX = 2;
const HOST = '127.0.0.1';
const REQUEST = { poolId: 1, copysetId: 1, partitionId: 1, fsId: 1, inodeId: 100n };

function reply(versions: number): Uint8Array {
  const s3Chunks = Array.from({ length: versions }, (_, n) => {
    return {
      chunkId: 1_000_000n + BigInt(n),
      compaction: 0n,
      offset: n * 65_536,
      len: 65_536,
      size: 65_536,
      zero: false,
    };
  });
  const times = { ctime: 1_700_000_000n, ctime_ns: 0, mtime: 1_700_000_000n, mtime_ns: 0, atime: 0n, atime_ns: 0 };
  const owner = { uid: 0, gid: 0, mode: 33188, nlink: 1, parent: [1n], xattr: new Map() };
  const inode = { inodeId: 100n, fsId: 1, length: versions * 65_536, ...times, ...owner, type: 'TYPE_S3' as const };
  return GetInodeResponse.encode({
    statusCode: 'OK',
    inode: { ...inode, s3ChunkInfoMap: new Map([[0n, { s3Chunks }]]) },
  });
}

/** Answers every frame with the same payload; by hand, so that it costs little and shares nothing with the client. */
function serve(versions: number): void {
  const payload = Buffer.from(reply(versions));
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    let data = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      data = data.length === 0 ? chunk : Buffer.concat([data, chunk]);
      let at = 0;
      while (data.length - at >= 12) {
        const end = at + 12 + data.readUInt32BE(at + 4);
        if (data.length < end) break;
        const metaEnd = at + 12 + data.readUInt32BE(at + 8);
        let id = metaEnd - 1;
        while (((data[id - 1] ?? 0) & 0x80) !== 0) id--;
        const header = Buffer.from('PRPC\0\0\0\0\0\0\0\0\x12\x02\x08\0\x20', 'latin1');
        header.writeUInt32BE(5 + (metaEnd - id) + payload.length, 4);
        header.writeUInt32BE(5 + (metaEnd - id), 8);
        socket.write(Buffer.concat([header, data.subarray(id, metaEnd), payload]));
        at = end;
      }
      data = data.subarray(at);
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, HOST, () => {
    const address = server.address();
    process.stdout.write(`${typeof address === 'object' ? address?.port : 0}\n`);
  });
  process.stdin.on('end', () => process.exit()).resume();
}

async function startServer(versions: number): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const file = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [file, '--serve', `${versions}`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return { port: Number(line.toString()), child };
}

/** Calls a second by the client. */
async function client(port: number, calls: number): Promise<number> {
  const channel = new Channel({ host: HOST, port });
  await channel.call(getInode, REQUEST, 10_000);
  const beganMs = performance.now();
  let left = calls;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await channel.call(getInode, REQUEST, 60_000);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const perSecond = (calls / (performance.now() - beganMs)) * 1000;
  channel.close();
  return perSecond;
}

/**
 * Exchanges a second on a bare socket: the same bytes, one write for each request and one promise for each reply, as
 * they come; nothing is made, looked at or remembered.
 */
async function bare(port: number, calls: number, versions: number): Promise<number> {
  const socket: Socket = connect(port, HOST).setNoDelay(true);
  await once(socket, 'connect');
  // As long an id as most of the client's calls have.
  const request = requestFrame(getInode, 10_000, getInode.request.encode(REQUEST as never));
  const replyBytes = 12 + 5 + 2 + reply(versions).length;
  const beganMs = performance.now();
  const waiting: (() => void)[] = [];
  let next = 0;
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
    for (; received >= replyBytes; received -= replyBytes) waiting[next++]?.();
  });
  let left = calls;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        socket.write(request);
      });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const perSecond = (calls / (performance.now() - beganMs)) * 1000;
  socket.destroy();
  return perSecond;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

async function compare(versions: number, calls: number): Promise<number> {
  const { port, child } = await startServer(versions);
  const rounds: { readonly client: number; readonly bare: number }[] = [];
  for (let n = 0; n <= ROUNDS; n++) {
    const round = { bare: await bare(port, calls, versions), client: await client(port, calls) };
    // The first one warms up.
    if (n > 0) rounds.push(round);
  }
  child.stdin?.end();
  const ratio = median(rounds.map((round) => round.bare / round.client));
  const perSecond = median(rounds.map((round) => round.client));
  const barePerSecond = median(rounds.map((round) => round.bare));
  process.stdout.write(
    `| ${whole(versions)} | ${whole(reply(versions).length)} | ${whole(barePerSecond)} | ${whole(perSecond)} | ${ratio.toFixed(2)} |\n`,
  );
  return ratio;
}

const { values } = parseArgs({ options: { serve: { type: 'string' }, calls: { type: 'string', default: '30000' } } });
if (values.serve !== undefined) serve(Number(values.serve));
else {
  const calls = Number(values.calls);
  process.stdout.write('| versions | reply bytes | bare socket, /s | GetInode, /s | ratio |\n|---|---|---|---|---|\n');
  const ratio = await compare(20, calls);
  await compare(1_000, Math.ceil(calls / 20));
  await compare(50_000, Math.max(IN_FLIGHT, Math.ceil(calls / 500)));
  process.exitCode = ratio <= RATIO_MAX ? 0 : 1;
}
