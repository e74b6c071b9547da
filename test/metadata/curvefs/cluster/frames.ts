/**
 * baidu_std frames as the stand-in's servers and clients cut and make them: `PRPC`, body size, meta size (both big-endian),
 * RpcMeta, payload. It must know no service.
 */
import { SCHEMA } from './schema.ts';
import { decode, encode, type Message } from './wire.ts';

export interface RpcMeta {
  readonly request?: { readonly service_name: string; readonly method_name: string; readonly log_id?: bigint };
  readonly response?: { readonly error_code?: number; readonly error_text?: string };
  readonly compress_type?: number;
  readonly correlation_id?: bigint;
  readonly attachment_size?: number;
  readonly stream_settings?: Message;
}

export interface Frame {
  readonly meta: RpcMeta;
  readonly payload: Buffer;
}

const HEADER_BYTES = 12;
/** brpc's max_body_size: a larger request fails the connection. */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;

export class FrameError extends Error {}

export function printFrame(meta: RpcMeta, payload: Uint8Array): Buffer {
  const metaBytes = encode(SCHEMA, 'RpcMeta', meta as Message);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('PRPC', 0, 'ascii');
  header.writeUInt32BE(metaBytes.length + payload.length, 4);
  header.writeUInt32BE(metaBytes.length, 8);
  return Buffer.concat([header, metaBytes, payload]);
}

/** Cuts a stream of bytes into frames. Throws FrameError for what brpc would close the connection for. */
export class FrameCutter {
  #parts: Buffer[] = [];
  #bytes = 0;
  readonly #bodyBytesMax: number;

  constructor(bodyBytesMax = BODY_BYTES_MAX) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  *push(part: Buffer): Generator<Frame> {
    this.#parts.push(part);
    this.#bytes += part.length;
    for (;;) {
      if (this.#bytes < HEADER_BYTES) return;
      const first = this.#parts[0] ?? Buffer.alloc(0);
      const head = first.length >= HEADER_BYTES ? first : this.#join();
      if (head.toString('ascii', 0, 4) !== 'PRPC') throw new FrameError('bad magic');
      const bodyBytes = head.readUInt32BE(4);
      const metaBytes = head.readUInt32BE(8);
      if (bodyBytes > this.#bodyBytesMax || metaBytes > bodyBytes) throw new FrameError(`a body of ${bodyBytes} bytes`);
      if (this.#bytes < HEADER_BYTES + bodyBytes) return;
      const all = this.#join();
      const body = all.subarray(HEADER_BYTES, HEADER_BYTES + bodyBytes);
      this.#parts = [all.subarray(HEADER_BYTES + bodyBytes)];
      this.#bytes = all.length - HEADER_BYTES - bodyBytes;
      const meta = decode(SCHEMA, 'RpcMeta', body.subarray(0, metaBytes)) as RpcMeta;
      const payload = body.subarray(metaBytes, body.length - (meta.attachment_size ?? 0));
      yield { meta, payload };
    }
  }

  #join(): Buffer {
    const all = this.#parts.length === 1 ? (this.#parts[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }
}
