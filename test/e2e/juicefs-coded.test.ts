/** A compressed volume of the real program and an encrypted one, compacted. All forms: juicefs-coded.torture.test.ts. */
import { describe, inject } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { type CodedForm, PASSPHRASE, provesCoded, rsaKey } from './juicefs-coded.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

const FORMS: readonly CodedForm[] = [
  { name: 'lz4', flags: ['--compress', 'lz4', '--block-size', '1M'], compressed: true },
  {
    ...{ name: 'zstd and aes', flags: ['--compress', 'zstd', '--block-size', '1M'], compressed: true },
    ...{ pem: rsaKey('pkcs1', PASSPHRASE), env: { JFS_RSA_PASSPHRASE: PASSPHRASE } },
  },
];

describe.runIf(isReal && canMount()).each(FORMS)('a volume with $name', (form) => {
  provesCoded(form);
});
