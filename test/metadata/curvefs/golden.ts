/**
 * Messages and frames as C++ wrote them (protobuf 3.21 and a brpc client and server at the commit that CurveFS pins).
 * They are the proof that ours are the same bytes; tests of the adapter and of its stand-in cluster both use them.
 */
import { readFileSync } from 'node:fs';

export interface GoldenVector {
  readonly name: string;
  /** Absent for the error reply. */
  readonly messageType?: string;
  readonly direction: 'request' | 'response' | 'error';
  readonly hex?: string;
  readonly json?: unknown;
  readonly errorCode?: number;
  readonly errorText?: string;
  readonly baiduStd: { readonly frameHex: string; readonly metaHex: string; readonly payloadHex: string };
}

const FILE: { readonly vectors: readonly GoldenVector[] } = JSON.parse(
  readFileSync(new URL('golden-rpc.json', import.meta.url), 'utf8'),
);

export const GOLDEN = FILE.vectors;

export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
