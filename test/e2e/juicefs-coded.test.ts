/** A volume of the real program that is compressed and encrypted, compacted. All forms: juicefs-coded.torture.test.ts. */
import { describe, inject } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { type CodedForm, PASSPHRASE, provesCoded, rsaKey } from './juicefs-coded.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

const FORM: CodedForm = {
  name: 'zstd and aes',
  flags: ['--compress', 'zstd', '--block-size', '1M'],
  compressed: true,
  pem: rsaKey('pkcs1', PASSPHRASE),
  env: { JFS_RSA_PASSPHRASE: PASSPHRASE },
};

describe.runIf(isReal && canMount())(`a volume with ${FORM.name}`, () => {
  provesCoded(FORM);
});
