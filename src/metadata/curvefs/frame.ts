/**
 * baidu_std frames: `PRPC`, the length of the body, the length of the meta data, then meta data and payload. Apart from
 * the connection because bytes from a socket must be judged before anything is believed: what is no frame, or a frame of
 * absurd size, ends the connection. It must hold no state but the bytes of the frame that is arriving.
 */
import { type MessageOf, type MessageType, type Method, message, optional, required } from './proto/codec.ts';
import { int32, int64, MessageFault, string } from './proto/values.ts';

const HEADER_BYTES = 12;
const MAGIC = 0x50525043;
/** Servers close the connection on a larger body (brpc's max_body_size), and every other call on it fails too. */
export const REQUEST_BYTES_MAX = 64 * 1024 * 1024;
/** Servers have no bound; a reply of an inode with ten million versions is smaller than this. */
export const REPLY_BYTES_MAX = 512 * 1024 * 1024;

export interface Reply {
  /** Ids of ours are small; a larger one is nobody's. */
  readonly correlationId: number;
  /** 0: the payload is the reply. */
  readonly errorCode: number;
  readonly errorText: string;
  readonly payload: Uint8Array;
}

// The meta data of a frame (brpc/baidu_rpc_meta.proto): no streams, no authentication.
const RpcRequestMeta = message('brpc.policy.RpcRequestMeta', {
  service_name: required(1, string),
  method_name: required(2, string),
  log_id: optional(3, int64),
});

const RpcResponseMeta = message('brpc.policy.RpcResponseMeta', {
  error_code: optional(1, int32),
  error_text: optional(2, string),
});

export const RpcMeta = message('brpc.policy.RpcMeta', {
  request: optional(1, RpcRequestMeta),
  response: optional(2, RpcResponseMeta),
  compress_type: optional(3, int32),
  correlation_id: optional(4, int64),
  attachment_size: optional(5, int32),
});

/** The meta data of a method's requests up to the correlation id, which is the last of it. */
const HEADS = new WeakMap<Method<MessageType, MessageType>, Uint8Array>();
const CORRELATION_ID_KEY = 0x20;

function headOf(method: Method<MessageType, MessageType>): Uint8Array {
  const known = HEADS.get(method);
  if (known !== undefined) return known;
  const head = RpcMeta.encode({ request: { service_name: method.service, method_name: method.name } });
  HEADS.set(method, head);
  return head;
}

/** One request as it goes over the wire. */
export function requestFrame(
  method: Method<MessageType, MessageType>,
  correlationId: number,
  payload: Uint8Array,
): Buffer {
  const head = headOf(method);
  let idBytes = 1;
  for (let left = correlationId; left >= 0x80; left = Math.floor(left / 0x80)) idBytes++;
  const metaBytes = head.length + 1 + idBytes;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + metaBytes + payload.length);
  frame.writeUInt32BE(MAGIC, 0);
  frame.writeUInt32BE(metaBytes + payload.length, 4);
  frame.writeUInt32BE(metaBytes, 8);
  frame.set(head, HEADER_BYTES);
  let at = HEADER_BYTES + head.length;
  frame[at++] = CORRELATION_ID_KEY;
  for (let left = correlationId; idBytes > 0; idBytes--, left = Math.floor(left / 0x80)) {
    frame[at++] = (left % 0x80) | (idBytes > 1 ? 0x80 : 0);
  }
  frame.set(payload, at);
  return frame;
}

/** Cuts what arrives into replies. */
export class FrameReader {
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  /** Bytes that the next step needs: a header, or the whole frame. */
  #needed = HEADER_BYTES;

  /** The replies that are complete with these bytes. Throws MessageFault, whose text goes on after "the server at …": nothing that follows can be understood. */
  *push(chunk: Uint8Array): Generator<Reply> {
    this.#parts.push(chunk);
    this.#partsBytes += chunk.length;
    if (this.#partsBytes < Math.min(4, this.#needed)) return;
    // Only here are parts joined, so a large frame is copied once.
    if (this.#partsBytes < this.#needed && this.#needed > HEADER_BYTES) return;
    let data = this.#join();
    for (;;) {
      const length = frameBytes(data);
      if (length === null || data.length < length) {
        this.#needed = length ?? HEADER_BYTES;
        break;
      }
      yield parseFrame(data.subarray(0, length));
      data = data.subarray(length);
    }
    this.#parts = data.length === 0 ? [] : [data];
    this.#partsBytes = data.length;
  }

  #join(): Buffer {
    const [first] = this.#parts;
    if (this.#parts.length === 1 && first !== undefined)
      return Buffer.from(first.buffer, first.byteOffset, first.length);
    return Buffer.concat(this.#parts, this.#partsBytes);
  }
}

/** The length of the frame that starts here; `null` when its header is not complete. */
function frameBytes(data: Buffer): number | null {
  if (data.length >= 4 && data.readUInt32BE(0) !== MAGIC) throw new MessageFault(describeStranger(data));
  if (data.length < HEADER_BYTES) return null;
  const bodyBytes = data.readUInt32BE(4);
  const metaBytes = data.readUInt32BE(8);
  if (bodyBytes > REPLY_BYTES_MAX) {
    throw new MessageFault(`announced a reply of ${bodyBytes} bytes, more than the ${REPLY_BYTES_MAX} that are taken`);
  }
  if (metaBytes > bodyBytes) throw new MessageFault('sent a frame whose parts are longer than the whole');
  return HEADER_BYTES + bodyBytes;
}

/** What speaks there, seen by its first bytes. */
function describeStranger(data: Buffer): string {
  const text = data.toString('latin1', 0, 5);
  const hint = 'check the address and the port';
  if (text.startsWith('HTTP')) return `is an HTTP server, not a CurveFS MDS or metaserver: ${hint}`;
  if (data[0] === 0x15 && data[1] === 0x03) return `speaks TLS, which CurveFS servers do not: ${hint}`;
  if (text.startsWith('STRM')) return 'sent a stream that nobody asked for';
  return `does not speak CurveFS's protocol (baidu_std): ${hint}`;
}

function parseFrame(frame: Buffer): Reply {
  const metaEnd = HEADER_BYTES + frame.readUInt32BE(8);
  const meta = parseMeta(frame.subarray(HEADER_BYTES, metaEnd));
  const attachmentBytes = meta.attachment_size ?? 0;
  const payloadEnd = frame.length - attachmentBytes;
  if (attachmentBytes < 0 || payloadEnd < metaEnd)
    throw new MessageFault('sent a frame whose parts are longer than the whole');
  if (meta.response === undefined || meta.correlation_id === undefined)
    throw new MessageFault('sent a frame that is no reply');
  if ((meta.compress_type ?? 0) !== 0) throw new MessageFault('compresses its replies, which nobody asked for');
  return {
    correlationId: Number(meta.correlation_id),
    errorCode: meta.response.error_code ?? 0,
    errorText: meta.response.error_text ?? '',
    payload: frame.subarray(metaEnd, payloadEnd),
  };
}

function parseMeta(data: Uint8Array): MessageOf<typeof RpcMeta> {
  try {
    return RpcMeta.decode(data);
  } catch (error) {
    if (!(error instanceof MessageFault)) throw error;
    throw new MessageFault(`sent a frame that cannot be read (${error.message})`);
  }
}
