/** Whose keys are used where the metadata keeps some, too: those of the environment win, by whatever name it gives them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { volumeKeys } from '../../src/wiring/clients.ts';
import { BUCKET, SECRET, useFaultBench } from '../objects/fault-bench.ts';
import { filesystemOn } from '../objects/s3/bench.ts';

const bench = useFaultBench();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kept-keys-'));
  for (const name of Object.keys(process.env).filter((name) => name.startsWith('AWS_'))) vi.stubEnv(name, undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** The key that a HEAD is signed with. */
async function keyUsed(): Promise<string | undefined> {
  const keys = { accessKeyId: 'OFTHEVOLUME', secretAccessKey: SECRET };
  const volume = { keys: () => Promise.resolve(keys) };
  bench().server.answer((_request, response) => response.writeHead(200, { 'content-length': 4, etag: '"x"' }).end());
  const stores = bench().openStores({ credentials: undefined, ...(await volumeKeys(volume)) });
  await stores.forFilesystem(filesystemOn(BUCKET)).head('x');
  return /Credential=(\w+)/.exec(bench().firstSeen().headers.authorization ?? '')?.[1];
}

async function file(key: string, profile = 'default'): Promise<string> {
  const path = join(folder, 'keys');
  await writeFile(path, `[${profile}]\naws_access_key_id=${key}\naws_secret_access_key=${SECRET}\n`);
  return path;
}

it('the keys of the volume, where the environment gives none', async () => {
  // A file of settings is no word on keys: it may be there for the region only.
  const path = join(folder, 'config');
  await writeFile(path, '[default]\nregion=eu-south-2\n');
  vi.stubEnv('AWS_CONFIG_FILE', path);
  expect(await keyUsed()).toBe('OFTHEVOLUME');
});

it('the keys of a credentials file that the environment names', async () => {
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', await file('OFTHEFILE'));
  expect(await keyUsed()).toBe('OFTHEFILE');
});

it('the keys of a profile, also in a file of settings', async () => {
  vi.stubEnv('AWS_CONFIG_FILE', await file('OFTHEPROFILE', 'profile work'));
  vi.stubEnv('AWS_PROFILE', 'work');
  expect(await keyUsed()).toBe('OFTHEPROFILE');
});
