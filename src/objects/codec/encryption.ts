/**
 * Encryption as JuiceFS has it: each object under a key of its own, which is wrapped with the volume's RSA key and stands
 * before the rest. It stands alone because keys are in here, and nowhere else: they come in as PEM and get into no message.
 *
 * An object is: the length of the wrapped key (2 bytes), that of the nonce (1 byte), the wrapped key, the nonce, what is
 * encrypted, and its tag.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { CompactError } from '../../errors.ts';

/** The algorithms that there are, by the name that `EncryptAlgo` has for them. */
const CIPHERS = { 'aes256gcm-rsa': 'aes-256-gcm', 'chacha20-rsa': 'chacha20-poly1305' } as const;
const HEAD_BYTES = 3;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const RSA_FORM = {
  padding: constants.RSA_PKCS1_OAEP_PADDING,
  oaepHash: 'sha256',
  oaepLabel: Buffer.from('keys'),
} as const;

export interface EncryptionKey {
  readonly algorithm: string;
  /** A private RSA key. */
  readonly pem: string;
  /** Opens it, where it is protected; empty: there is none. */
  readonly passphrase: string;
}

export interface Encryption {
  /** What an object has more than is encrypted. */
  readonly overheadBytes: number;
  readonly encrypt: (plain: Uint8Array) => Uint8Array;
  /** `null`: it was not encrypted with this key, or is not as it was. */
  readonly decrypt: (body: Uint8Array) => Uint8Array | null;
}

/** Throws `settings-invalid` (halt) where the passphrase is missing or wrong, `filesystem-malformed` for another key. */
export function openEncryption({ algorithm, pem, passphrase }: EncryptionKey): Encryption {
  const cipher = Object.hasOwn(CIPHERS, algorithm) ? CIPHERS[algorithm as keyof typeof CIPHERS] : undefined;
  if (cipher === undefined) throw unusable(`its algorithm ${algorithm} is not known`, 'filesystem-malformed');
  const key = privateKeyOf(pem, passphrase);
  const modulusBits = key.asymmetricKeyDetails?.modulusLength;
  if (key.asymmetricKeyType !== 'rsa' || modulusBits === undefined)
    throw unusable('it is no RSA key', 'filesystem-malformed');
  const publicKey = createPublicKey(key);
  return {
    overheadBytes: HEAD_BYTES + Math.ceil(modulusBits / 8) + NONCE_BYTES + TAG_BYTES,
    encrypt: (plain) => encrypted(plain, publicKey, cipher),
    decrypt: (body) => decrypted(body, key, cipher),
  };
}

type Cipher = (typeof CIPHERS)[keyof typeof CIPHERS];

function encrypted(plain: Uint8Array, publicKey: KeyObject, cipher: Cipher): Uint8Array {
  const [key, nonce] = [randomBytes(KEY_BYTES), randomBytes(NONCE_BYTES)];
  const wrapped = publicEncrypt({ key: publicKey, ...RSA_FORM }, key);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16BE(wrapped.length);
  head.writeUInt8(nonce.length, 2);
  const sealing = createCipheriv(cipher as 'chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES });
  const sealed = [sealing.update(plain), sealing.final(), sealing.getAuthTag()];
  return Buffer.concat([head, wrapped, nonce, ...sealed]);
}

function decrypted(body: Uint8Array, key: KeyObject, cipher: Cipher): Uint8Array | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (bytes.length < HEAD_BYTES) return null;
  const nonceAt = HEAD_BYTES + bytes.readUInt16BE();
  const sealedAt = nonceAt + bytes.readUInt8(2);
  const tagAt = bytes.length - TAG_BYTES;
  if (tagAt < sealedAt) return null;
  try {
    const own = privateDecrypt({ key, ...RSA_FORM }, bytes.subarray(HEAD_BYTES, nonceAt));
    const nonce = bytes.subarray(nonceAt, sealedAt);
    const opening = createDecipheriv(cipher as 'chacha20-poly1305', own, nonce, { authTagLength: TAG_BYTES });
    opening.setAuthTag(bytes.subarray(tagAt));
    const plain = opening.update(bytes.subarray(sealedAt, tagAt));
    // Throws where any bit is another.
    opening.final();
    return plain;
  } catch {
    return null;
  }
}

function privateKeyOf(pem: string, passphrase: string): KeyObject {
  const isProtected = /^Proc-Type:.*ENCRYPTED|^-----BEGIN ENCRYPTED /m.test(pem);
  if (isProtected && passphrase === '')
    throw unusable('it is protected: set JFS_RSA_PASSPHRASE, as for JuiceFS', 'settings-invalid');
  try {
    return createPrivateKey(isProtected ? { key: pem, passphrase } : pem);
  } catch {
    // The cause could say something of the key.
    throw isProtected
      ? unusable('JFS_RSA_PASSPHRASE does not open it', 'settings-invalid')
      : unusable('it is no private key in PEM form', 'filesystem-malformed');
  }
}

function unusable(why: string, code: CompactError['code']): CompactError {
  const message = `the EncryptKey of the volume cannot be used: ${why}; nothing was changed`;
  return new CompactError(message, { kind: 'halt', code });
}
