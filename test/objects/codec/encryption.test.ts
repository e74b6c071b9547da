/** Encryption as JuiceFS has it, opened by Node's other crypto (WebCrypto); what is not as it was, and keys that cannot be used. */
import { generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompactError } from '../../../src/errors.ts';
import { blockCodec } from '../../../src/objects/codec/index.ts';
import type { BlockCodec } from '../../../src/objects/port.ts';

const PASSPHRASE = 'open-sesame';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const OTHER = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
const ALGORITHMS = ['aes256gcm-rsa', 'chacha20-rsa'] as const;

function open(algorithm: string, { compression = 'none', pem = PEM, passphrase = '' } = {}): BlockCodec {
  const codec = blockCodec(compression, { algorithm, pem, passphrase });
  if (codec === undefined) throw new Error('no codec');
  return codec;
}

async function decoded(codec: BlockCodec, body: Uint8Array, bytes: number): Promise<Buffer | string> {
  const block = Buffer.alloc(bytes);
  try {
    await codec.decode(body, block);
    return block;
  } catch (thrown) {
    if (!(thrown instanceof CompactError)) throw thrown;
    expect(thrown.kind).toBe('halt');
    return thrown.code;
  }
}

describe.each(ALGORITHMS)('%s', (algorithm) => {
  it.each(['none', 'lz4', 'zstd'])(
    'gives back every block, compressed with %s, in a body no longer than it says',
    async (compression) => {
      const codec = open(algorithm, { compression });
      for (const block of [Buffer.of(7), randomBytes(5_000), Buffer.alloc(300_000, 'words; ')]) {
        const body = await codec.encode(block);
        expect(body.length).toBeLessThanOrEqual(codec.bodyBytesMax(block.length));
        if (compression === 'none') expect(body.length).toBe(codec.bodyBytesMax(block.length));
        expect(await decoded(codec, body, block.length)).toEqual(block);
        // Each object has a key and a nonce of its own.
        const again = await codec.encode(block);
        for (const from of [259, body.length - 16])
          expect(Buffer.compare(again.slice(from, from + 12), body.slice(from, from + 12))).not.toBe(0);
        expect(Buffer.from(body).includes('words')).toBe(false);
      }
    },
  );

  it('calls damaged whatever is cut off, longer, of another length, changed, or of another key', async () => {
    const codec = open(algorithm);
    const block = randomBytes(200);
    const body = Buffer.from(await codec.encode(block));
    for (let bytes = 0; bytes < body.length; bytes += 1 + (bytes % 7))
      expect(await decoded(codec, body.subarray(0, bytes), block.length), `cut at ${bytes}`).toBe('object-damaged');
    expect(await decoded(codec, Buffer.concat([body, Buffer.of(0)]), block.length)).toBe('object-damaged');
    for (const bytes of [1, 199, 201]) expect(await decoded(codec, body, bytes)).toBe('object-damaged');
    // Lengths of key and nonce, the key, the nonce, what is encrypted, the tag.
    for (const at of [0, 1, 2, 3, 100, 259, 270, 271, 300, body.length - 1]) {
      const changed = Buffer.from(body);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await decoded(codec, changed, block.length), `changed at ${at}`).toBe('object-damaged');
    }
    expect(await decoded(open(algorithm, { pem: OTHER.toString() }), body, block.length)).toBe('object-damaged');
    const other = ALGORITHMS.find((name) => name !== algorithm) ?? algorithm;
    expect(await decoded(open(other), body, block.length)).toBe('object-damaged');
  });

  it('makes of random bytes nothing but damage', async () => {
    const codec = open(algorithm);
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.nat(300), async (body, bytes) => {
      expect(await decoded(codec, body, bytes + 1)).toBe('object-damaged');
    });
    await fc.assert(property, { numRuns: 100 });
  });
});

it('an object is: lengths of key and nonce, the wrapped key, the nonce, and what AES has made', async () => {
  const block = randomBytes(1_000);
  const body = Buffer.from(await open('aes256gcm-rsa').encode(block));
  expect([body.readUInt16BE(0), body.readUInt8(2), body.length]).toEqual([256, 12, 3 + 256 + 12 + 1_000 + 16]);
  const { subtle } = webcrypto;
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const unwrapping = await subtle.importKey('pkcs8', pkcs8, { name: 'RSA-OAEP', hash: 'SHA-256' }, false, ['decrypt']);
  const label = Buffer.from('keys');
  const raw = await subtle.decrypt({ name: 'RSA-OAEP', label }, unwrapping, body.subarray(3, 259));
  expect(raw.byteLength).toBe(32);
  const key = await subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt']);
  const plain = await subtle.decrypt({ name: 'AES-GCM', iv: body.subarray(259, 271) }, key, body.subarray(271));
  expect(Buffer.from(plain)).toEqual(block);
});

describe('a key', () => {
  const sealed = (type: 'pkcs1' | 'pkcs8', cipher: string) =>
    privateKey.export({ type, format: 'pem', cipher, passphrase: PASSPHRASE }).toString();
  const forms = {
    'PKCS#1, protected': sealed('pkcs1', 'aes-256-cbc'),
    'PKCS#1, protected with DES': sealed('pkcs1', 'des-ede3-cbc'),
    'PKCS#8, protected': sealed('pkcs8', 'aes-256-cbc'),
  };
  const failure = (run: () => unknown): unknown => {
    try {
      return run();
    } catch (thrown) {
      return thrown;
    }
  };

  it.each(Object.entries(forms))('%s is opened by its passphrase, and by no other', async (_, pem) => {
    const body = await open('aes256gcm-rsa').encode(Buffer.from('block'));
    expect(await decoded(open('aes256gcm-rsa', { pem, passphrase: PASSPHRASE }), body, 5)).toEqual(
      Buffer.from('block'),
    );
    expect(failure(() => open('aes256gcm-rsa', { pem }))).toMatchObject({
      kind: 'halt',
      code: 'settings-invalid',
      message: expect.stringContaining('set JFS_RSA_PASSPHRASE'),
    });
    const wrong = failure(() => open('aes256gcm-rsa', { pem, passphrase: 'swordfish' }));
    expect(wrong).toMatchObject({ kind: 'halt', code: 'settings-invalid' });
    expect(String(wrong)).toContain('JFS_RSA_PASSPHRASE does not open it');
    expect(String(wrong)).not.toContain('swordfish');
    expect((wrong as CompactError).cause).toBeUndefined();
  });

  it('that is not protected needs no passphrase, and minds none', async () => {
    const body = await open('aes256gcm-rsa', { passphrase: PASSPHRASE }).encode(Buffer.from('block'));
    expect(await decoded(open('aes256gcm-rsa'), body, 5)).toEqual(Buffer.from('block'));
  });

  it('that is none, of another kind, or for another algorithm is refused without a word of it', () => {
    const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
    for (const [pem, says] of [
      ['hunter2', 'no private key in PEM form'],
      [PEM.slice(0, 200), 'no private key in PEM form'],
      [elliptic.toString(), 'no RSA key'],
    ] as const) {
      const error = failure(() => open('aes256gcm-rsa', { pem }));
      expect(error).toMatchObject({ kind: 'halt', code: 'filesystem-malformed' });
      expect(String(error)).toContain(says);
      expect(String(error)).not.toContain('hunter2');
    }
    expect(String(failure(() => open('sm4gcm')))).toContain('sm4gcm is not known');
  });
});
