/**
 * Volumes whose objects are compressed or encrypted: written by the real program, compacted by our commands, and judged by the
 * real program, whose caches are empty each time. Shared by the suite and by the torture tier, which has all of the forms.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunReport } from '../../src/wiring/run-inode.ts';
import { listObjects } from '../kit/juicefs/looks.ts';
import { everyByte, expectWhole, filesOf, wearOut } from './juicefs-judge.ts';
import { JuicefsWorld, VOLUME } from './juicefs-world.ts';

export interface CodedForm {
  readonly name: string;
  /** As of `juicefs format`. */
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly compressed: boolean;
  /** The private key, as PEM, for `--encrypt-rsa-key`. */
  readonly pem?: string;
}

export const PASSPHRASE = 'open-sesame';

/** A key as `openssl` makes it, protected or not. */
export function rsaKey(type: 'pkcs1' | 'pkcs8', passphrase?: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const sealing = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return privateKey.export({ type, format: 'pem', ...sealing }).toString();
}

async function openVolume({ name, flags, pem, env = {} }: CodedForm): Promise<JuicefsWorld> {
  const bucket = `juicefs-${name.replaceAll(/[^a-z0-9]+/g, '-')}`;
  const directory = mkdtempSync(join(tmpdir(), 's3compact-juicefs-key-'));
  const file = join(directory, 'key.pem');
  if (pem !== undefined) writeFileSync(file, pem);
  const all = ['--trash-days', '1', ...flags, ...(pem === undefined ? [] : ['--encrypt-rsa-key', file])];
  try {
    return await JuicefsWorld.open(bucket, all, env);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Text that shrinks, in many small writes, and zeros in between. */
async function writeText({ real }: JuicefsWorld): Promise<void> {
  await real.mounted(`
    w() { seq "$4" 9999999 | dd of="$1" bs="$3" seek="$2" count=1 iflag=fullblock oflag=seek_bytes conv=notrunc,fsync status=none; }
    cd "$1"; mkdir text
    for n in $(seq 0 20); do w text/small.log $(( n * 3000 )) 3000 $(( n * 100 )); done
    w text/large.txt 0 9M 1; for n in $(seq 1 20); do w text/large.txt $(( n * 400000 )) $(( 10000 * n )) $n; done
    dd if=/dev/zero of=text/large.txt bs=1M seek=3 count=2 conv=notrunc,fsync status=none; sync`);
}

/** The tests of one form; to be called in a `describe`. */
export function provesCoded(form: CodedForm): void {
  let world: JuicefsWorld;
  let files: ReadonlyMap<string, bigint>;
  let before: Record<string, string>;

  beforeAll(async () => {
    world = await openVolume(form);
    await wearOut(world);
    await writeText(world);
    files = await filesOf(world);
    before = await everyByte(world, [...files.keys()]);
    await world.ageIds();
  });

  afterAll(async () => {
    await world.close();
  });

  it('is not refused', async () => {
    const { checks } = await world.json<{ checks: readonly { check: string; status: string }[] }>(['doctor', '1']);
    expect(checks).toContainEqual(expect.objectContaining({ check: 'compaction', status: 'ok' }));
  });

  it.runIf(form.env?.['JFS_RSA_PASSPHRASE'] !== undefined)('is left alone without its passphrase', async () => {
    const all = await world.everything();
    const [path = ''] = files.keys();
    for (const [passphrase, says] of [
      ['', 'set JFS_RSA_PASSPHRASE'],
      ['swordfish', 'JFS_RSA_PASSPHRASE does not open it'],
    ] as const)
      for (const args of [
        ['inode', '1', path, '--inline'],
        ['run', '1'],
        ['doctor', '1'],
      ]) {
        const { exitCode, stdout, stderr } = await world.command(args, { env: { JFS_RSA_PASSPHRASE: passphrase } });
        expect({ args, exitCode }).toEqual({ args, exitCode: args[0] === 'doctor' ? 4 : 2 });
        expect(stdout + stderr).toContain(says);
        expect(stdout + stderr).not.toContain('swordfish');
      }
    expect(await world.everything()).toEqual(all);
  });

  it('is compacted, and the real program finds every byte', async () => {
    const known = new Set((await listObjects(world.s3, world.bucket)).map((object) => object.name));
    let compacted = 0;
    for (const path of files.keys()) {
      const { exitCode, stdout, stderr } = await world.command([
        'inode',
        '1',
        path,
        '--inline',
        '--json',
        '--aggressiveness',
        '64MiB',
      ]);
      expect({ path, exitCode, stderr }).toEqual({ path, exitCode: 0, stderr: '' });
      const report = JSON.parse(stdout) as RunReport;
      expect(report).toMatchObject({ ending: 'done', warnings: [] });
      compacted += report.chunksCompacted;
    }
    expect(compacted).toBeGreaterThan(2);
    const fresh = (await listObjects(world.s3, world.bucket)).filter((object) => !known.has(object.name));
    const shrunk = fresh.filter((object) => object.bytes < Number(object.name.split('_').at(-1)) / 2);
    expect(fresh.length).toBeGreaterThan(4);
    // The text, and not what is random.
    expect(shrunk.length > 0).toBe(form.compressed);
    for (const { name } of fresh.slice(0, 5)) {
      // The real program compares it with what it reads.
      const { Metadata } = await world.s3.send(new HeadObjectCommand({ Bucket: world.bucket, Key: name }));
      expect(Metadata?.['crc32c']).toMatch(/^\d+$/);
    }
    expect(fresh.every((object) => object.name.startsWith(`${VOLUME}/chunks/`))).toBe(true);
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
  });

  it('is whole to the real program, and to fsck', async () => {
    await expectWhole(world);
    expect(await world.json(['fsck', '1'])).toMatchObject({ faults: [] });
  });

  it('is compacted by the real program, over what we have written', async () => {
    await world.real.run(['gc', '--compact', world.real.metaUrl]);
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
    await expectWhole(world);
  });
}
