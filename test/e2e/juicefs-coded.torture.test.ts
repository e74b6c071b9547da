/** Every form in which JuiceFS stores a block, by the real program. */
import { describe, inject } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { type CodedForm, PASSPHRASE, provesCoded, rsaKey } from './juicefs-coded.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

const CHACHA = ['--encrypt-algo', 'chacha20-rsa'];
const LZ4 = ['--compress', 'lz4'];
const ZSTD = ['--compress', 'zstd'];
const env = { JFS_RSA_PASSPHRASE: PASSPHRASE };

const FORMS: readonly CodedForm[] = [
  { name: 'zstd', flags: ZSTD, compressed: true },
  { name: 'lz4', flags: LZ4, compressed: true },
  { name: 'aes', flags: [], compressed: false, pem: rsaKey('pkcs1') },
  { name: 'chacha', flags: CHACHA, compressed: false, pem: rsaKey('pkcs8') },
  { name: 'aes and passphrase', flags: [], compressed: false, pem: rsaKey('pkcs8', PASSPHRASE), env },
  { name: 'lz4 and chacha', flags: [...LZ4, ...CHACHA], compressed: true, pem: rsaKey('pkcs1', PASSPHRASE), env },
];

describe.runIf(isReal && canMount()).each(FORMS)('a volume with $name', (form) => {
  provesCoded(form);
});
