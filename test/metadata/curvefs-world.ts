/**
 * The metadata world on CurveFS: the store under test on the sockets of the stand-in cluster, and the file system's clients
 * and owner played on the cluster's state itself.
 */
import { expect } from 'vitest';
import { CurvefsMetadata } from '../../src/metadata/curvefs/curvefs.ts';
import type { InodeKey } from '../../src/model.ts';
import { parseCurvefsUrl } from '../../src/urls/curvefs.ts';
import { type ClusterOptions, CurveCluster } from './curvefs/cluster/cluster.ts';
import { ROOT_INODE, TYPE_S3 } from './curvefs/cluster/state.ts';
import { toOracle, toVersion } from './curvefs/cluster/writer.ts';
import { KEY, type MetadataTraits, type MetadataWorld } from './world.ts';

export interface CurvefsWorld extends MetadataWorld {
  readonly store: CurvefsMetadata;
  readonly cluster: CurveCluster;
}

export const CURVEFS_TRAITS: MetadataTraits = {
  fence: false,
  comparesContent: true,
  damage: false,
  everyInode: false,
  anyHead: false,
};

const ENDPOINT = 'http://127.0.0.1:7480';
const TYPES: Readonly<Record<string, number>> = { directory: 1, symlink: 3, s3: TYPE_S3 };

export interface CurvefsWorldOptions extends ClusterOptions {
  readonly timeoutMs?: number;
}

export async function curvefsWorld(options: CurvefsWorldOptions = {}): Promise<CurvefsWorld> {
  const cluster = await CurveCluster.start(options);
  const { state } = cluster;
  // The cluster runs in this process: on a machine with too much to do its answers take their time.
  const { timeoutMs = 60_000 } = options;
  const store = new CurvefsMetadata({ mds: parseCurvefsUrl(cluster.url), timeoutMs });
  /** Every inode number of the file system, in one partition. */
  const reach = (fsId: number): void => {
    if (!state.partitions.some((one) => one.fsId === fsId)) state.addPartition(fsId, 0n, 2n ** 64n - 1n);
    if (!state.filesystems.has(fsId)) cluster.addFilesystem({ fsId });
  };
  // A list of partitions that was looked for in vain is not asked for again at once.
  reach(KEY.fsId);
  const change = (key: InodeKey, fields: { readonly length?: bigint; readonly nlink?: number }): void => {
    const inode = state.tables.inode(key);
    if (inode !== undefined) state.tables.put(key, { ...inode, ...fields });
  };
  return {
    store,
    cluster,
    putFilesystem: async ({ fsId, name, bucket, blockSize, chunkSize, objectPrefix, endpoint = ENDPOINT }) => {
      reach(fsId);
      cluster.addFilesystem({ fsId, name, bucket, blockSize, chunkSize, objectPrefix, endpoint });
    },
    // No field of CurveFS says these; the store makes an identity of what it knows.
    told: ({ lastChunkId: _, region: __, ...filesystem }) => ({
      endpoint: ENDPOINT,
      ...filesystem,
      lastChunkId: 2n ** 64n - 1n,
      uuid: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown as string,
    }),
    putInode: async ({ key, length, nlink, mtimeMs, type }) => {
      reach(key.fsId);
      const mtime = BigInt(Math.floor(mtimeMs / 1000));
      const mtimeNs = (mtimeMs % 1000) * 1_000_000;
      const times = { mtime, mtimeNs, ctime: mtime, ctimeNs: mtimeNs };
      state.putInode(key, { length: BigInt(length), nlink, type: TYPES[type] ?? 0, parent: [ROOT_INODE], ...times });
      const entry = { parentInodeId: ROOT_INODE, name: `file ${key.inodeId}`, inodeId: key.inodeId };
      state.addEntry(key.fsId, { ...entry, type: TYPES[type] ?? 0 });
    },
    removeInode: async (key) => {
      state.tables.delete(key);
      state.dentries.remove(key.fsId, ROOT_INODE, `file ${key.inodeId}`);
    },
    setLength: async (key, length) => change(key, { length: BigInt(length) }),
    setLinks: async (key, nlink) => change(key, { nlink }),
    append: async (key, chunkIndex, versions) => {
      for (const version of versions) {
        const add = new Map([[BigInt(chunkIndex), [toVersion(version)]]]);
        state.tables.modify(key, { add, remove: new Map() });
      }
    },
    list: async (key, chunkIndex) => (state.tables.lists(key).get(BigInt(chunkIndex)) ?? []).map(toOracle),
    close: async () => {
      await store.close();
      await cluster.close();
      expect(state.violations).toEqual([]);
    },
  };
}
