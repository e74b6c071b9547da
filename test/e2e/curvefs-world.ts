/**
 * A file system on the stand-in CurveFS cluster, its objects on the run's S3 server, and the product beside it as an
 * operator would point it there: METADATA_URL=curvefs://… and nothing else.
 */
import { inject } from 'vitest';
import { CurveCluster } from '../metadata/curvefs/cluster/cluster.ts';
import { CurveWriter } from '../metadata/curvefs/cluster/writer.ts';
import { freshBucket, testS3Client, uniquePrefix } from '../setup/isolation.ts';
import { clientsOf, commonEnv, type E2eOptions, ProductWorld, SMALL } from './world.ts';

/** Long past every quiet period. */
const AGED_MS = 24 * 60 * 60 * 1000;
const FS_ID = 1;
/** Tests choose numbers of inodes beyond the first two. */
const PARTITIONS = 3;

export class CurveE2eWorld extends ProductWorld<CurveWriter> {
  get cluster(): CurveCluster {
    return this.writer.options.cluster;
  }

  static async open(name: string, options: E2eOptions = {}): Promise<CurveE2eWorld> {
    const { endpoint, accessKeyId, secretAccessKey } = inject('s3');
    const { objectPrefix = 0, geometry = SMALL } = options;
    const cluster = await CurveCluster.start();
    const bucket = await freshBucket(name);
    cluster.addFilesystem({
      fsId: FS_ID,
      bucket,
      endpoint,
      accessKeyId,
      secretAccessKey,
      objectPrefix,
      ...geometry,
    });
    for (let more = 1; more < PARTITIONS; more++) cluster.state.addPartition(FS_ID);
    const writer = new CurveWriter({
      cluster,
      bucket,
      geometry,
      objectPrefix,
      fsId: FS_ID,
      agedMs: AGED_MS,
      s3: testS3Client(),
    });
    const quick = { S3COMPACT_REDIS_TIMEOUT: '1500ms', S3COMPACT_QUIET_PERIOD: '2s' };
    const env = { ...commonEnv(uniquePrefix(name)), METADATA_URL: cluster.url, ...quick, ...options.env };
    return new CurveE2eWorld({ writer, env, clients: await clientsOf(env) });
  }

  /** A metaserver knows none. */
  override async fenced(): Promise<boolean> {
    return false;
  }

  override async close(): Promise<void> {
    await super.close();
    this.writer.close();
    await this.cluster.close();
  }
}
