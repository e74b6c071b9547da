/**
 * `npm run bench:juicefs -- --rival [--shape N] [--rounds N]`: `juicefs gc --compact` against `s3compact run` on copies of the same volumes. On
 * copies behind proxies what each asks of S3 and Redis is counted, and then what a full read by the real program takes, every
 * byte of it held against what was written; on copies of their own both are timed, in turns, the best of some rounds.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { listObjects } from '../../test/kit/juicefs/looks.ts';
import { juicefsVersion } from '../../test/kit/servers/juicefs.ts';
import { startRedis } from '../../test/kit/servers/redis.ts';
import { clientFor, type S3Service, startS3 } from '../../test/kit/servers/s3.ts';
import { markdown } from '../lifecycle/report.ts';
import { countRedis, recordS3 } from '../service/record.ts';
import { COPY_DATABASE, type Copy, QUEUE_DATABASE, Template, VOLUME } from './copies.ts';
import { type Asked, askedOf, type Program, type Spent, spentBy } from './measure.ts';
import { MIB, SHAPES, type Shape } from './shapes.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
/** What is replaced stays so long; part of our times. */
const GRACE = '1s';
const HEAD = [
  'MiB read / written',
  'GETs / PUTs / deletes / HEADs, listings',
  'round trips to Redis',
  's / s of CPU / MiB at most',
  'full read: GETs / MiB',
  'stored: MiB / objects',
  'left to others to delete',
];
/** A client's jobs take some of what waits to be deleted at a time. */
const CLEANUPS_MAX = 10;

/** Where a program finds its Redis: the volume's, and our queue's. */
interface Place {
  readonly volume: string;
  readonly queue: string;
}

interface Rival {
  readonly name: string;
  program(place: Place): Program;
  /** On a volume that was never compacted by us: only timed. The dial: only counted. */
  readonly only?: 'timed' | 'counted';
}

function ours(name: string, flags: readonly string[] = []) {
  const program = ({ volume, queue }: Place): Program => ({
    command: process.execPath,
    args: [COMMAND, 'run', '1', ...flags],
    env: {
      METADATA_URL: `juicefs+${volume}`,
      REDIS_URL: queue,
      S3COMPACT_LOG_LEVEL: 'error',
      S3COMPACT_GRACE: GRACE,
      S3COMPACT_READER_CACHE_LIFE: '0s',
    },
  });
  return { name, program };
}

const RIVALS: readonly Rival[] = [
  {
    name: '`juicefs gc --compact`',
    program: ({ volume }) => ({ command: 'juicefs', args: ['gc', '--compact', volume], env: {} }),
  },
  ours('`s3compact run`'),
  { ...ours('the same, `--aggressiveness 64MiB`', ['--aggressiveness', '64MiB']), only: 'counted' },
  { ...ours("`s3compact run`, a volume's first"), only: 'timed' },
];

interface Counted {
  readonly asked: Asked;
  readonly trips: Readonly<Record<keyof Place, number>>;
  readonly read: Asked;
  /** Once all is deleted that may be. */
  readonly stored: { readonly bytes: number; readonly objects: number };
  /** Objects that the program itself left to be deleted. */
  readonly late: number;
}

class Contest {
  readonly #shape: Shape;
  readonly #redisUrl: string;
  readonly #s3: S3Service;
  readonly #template: Template;
  #copies = 0;

  constructor(shape: Shape, parts: { readonly redisUrl: string; readonly s3: S3Service; readonly template: Template }) {
    this.#shape = shape;
    this.#redisUrl = parts.redisUrl;
    this.#s3 = parts.s3;
    this.#template = parts.template;
  }

  async table(rounds: number): Promise<string> {
    const visible = (this.#template.bytes / MIB).toFixed(1);
    const before = await this.#counted();
    const rows = [cells('before', { counted: before })];
    const spent = new Map<Rival, Spent[]>();
    for (let round = 0; round < rounds; round++)
      for (const rival of RIVALS) {
        // The first run of a volume waits for a minute, whatever the round.
        if (rival.only === 'counted' || (rival.only === 'timed' && round > 0)) continue;
        const copy = await this.#copy(rival.only !== 'timed');
        spent.set(rival, [...(spent.get(rival) ?? []), await spentBy(rival.program(this.#place()))]);
        copy.close();
      }
    for (const rival of RIVALS) {
      const best = (spent.get(rival) ?? []).toSorted((a, b) => a.seconds - b.seconds)[0];
      const counted = rival.only === 'timed' ? undefined : await this.#counted(rival);
      rows.push(cells(rival.name, { counted, spent: best }));
    }
    return markdown([[`${this.#shape.name}; ${visible} MiB to be read`, ...HEAD], ...rows]);
  }

  #place(ports = { volume: this.#redisUrl, queue: this.#redisUrl }): Place {
    return { volume: `${ports.volume}/${COPY_DATABASE}`, queue: `${ports.queue}/${QUEUE_DATABASE}` };
  }

  #copy(aged: boolean): Promise<Copy> {
    return this.#template.copy(`copy-${this.#copies++}`, { s3: this.#s3, aged });
  }

  async #counted(rival?: Rival): Promise<Counted> {
    const copy = await this.#copy(true);
    const [s3, volume, queue] = await Promise.all([
      recordS3(this.#s3.endpoint),
      countRedis(this.#redisUrl),
      countRedis(this.#redisUrl),
    ]);
    await copy.moveTo(s3.endpoint);
    if (rival !== undefined) await spentBy(rival.program(this.#place({ volume: volume.url, queue: queue.url })));
    const asked = askedOf(s3.requests);
    const trips = { volume: volume.roundTrips(), queue: queue.roundTrips() };
    const left = (await storedOf(this.#s3, copy.bucket)).objects;
    await this.#requireWhole(copy);
    const stored = await storedOf(this.#s3, copy.bucket);
    const late = left - stored.objects;
    const asking = s3.requests.length;
    await this.#readAll(copy);
    const read = askedOf(s3.requests.slice(asking));
    for (const proxy of [s3, volume, queue]) proxy.close();
    copy.close();
    return { asked, trips, read, stored, late };
  }

  /** What waits to be deleted goes, as it does by the hourly jobs; then the real program finds every object, and none too many. */
  async #requireWhole({ real, bucket }: Copy): Promise<void> {
    for (let objects = Number.POSITIVE_INFINITY, n = 0; n < CLEANUPS_MAX; n++) {
      const before = objects;
      await real.run(['gc', '--delete', real.metaUrl]);
      ({ objects } = await storedOf(this.#s3, bucket));
      if (objects === before) break;
    }
    await real.run(['fsck', real.metaUrl]);
    const gc = await real.run(['gc', real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
    if (!/ 0 leaked/.test(gc)) throw new Error(`leaked: ${gc}`);
  }

  /** By a client with a cold cache that may not write, so that it compacts nothing. */
  async #readAll({ real }: Copy): Promise<void> {
    const served = await real.serve('webdav', ['--read-only']);
    try {
      for (const [name, sha] of this.#template.shas) {
        const answer = await fetch(`${served.url}/${name}`);
        const read = createHash('sha256').update(new Uint8Array(await answer.arrayBuffer()));
        if (read.digest('hex') !== sha) throw new Error(`${this.#shape.name}: ${name} does not read as it was written`);
      }
    } finally {
      await served.stop();
    }
  }
}

async function storedOf(s3: S3Service, bucket: string): Promise<Counted['stored']> {
  const client = clientFor(s3);
  const objects = (await listObjects(client, bucket)).filter(({ name }) => name.startsWith(`${VOLUME}/chunks/`));
  client.destroy();
  return { objects: objects.length, bytes: objects.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function cells(name: string, { counted, spent }: { counted?: Counted; spent?: Spent }): string[] {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  const took =
    spent === undefined
      ? ''
      : `${spent.seconds.toFixed(1)} / ${spent.cpuSeconds.toFixed(1)} / ${spent.peakMib.toFixed(0)}`;
  if (counted === undefined) return [name, '', '', '', took, '', '', ''];
  const { asked, trips, read, stored, late } = counted;
  return [
    name,
    `${mib(asked.readBytes)} / ${mib(asked.writtenBytes)}`,
    `${asked.gets} / ${asked.puts} / ${asked.deletes} / ${asked.others}`,
    trips.queue === 0 ? `${trips.volume}` : `${trips.volume} + ${trips.queue} of the queue`,
    took,
    `${read.gets} / ${mib(read.readBytes)}`,
    `${mib(stored.bytes)} / ${stored.objects}`,
    `${late}`,
  ];
}

export async function contest({
  rounds,
  only,
}: {
  readonly rounds: number;
  readonly only?: readonly number[];
}): Promise<void> {
  console.log(`JuiceFS ${juicefsVersion()}, Node.js ${process.version}`);
  for (const [n, shape] of SHAPES.entries()) {
    if (only?.includes(n) === false) continue;
    const [redisServer, s3] = await Promise.all([startRedis({ prefer: 'real' }), startS3({ prefer: 'real' })]);
    const redis = new Redis(redisServer.url);
    try {
      const template = await Template.write(shape, redisServer.url, { redis, s3 });
      console.log(`${await new Contest(shape, { redisUrl: redisServer.url, s3, template }).table(rounds)}\n`);
      template.close();
    } finally {
      redis.disconnect();
      await Promise.all([redisServer.stop(), s3.stop()]);
    }
  }
}
