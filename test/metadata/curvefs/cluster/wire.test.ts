/**
 * The stand-in's own wire format against bytes that C++ wrote, both ways, and against itself for values of any size. If
 * this and the adapter's test of the same bytes pass, the two sides have read the facts alike.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, GOLDEN, toHex } from '../golden.ts';
import { FrameCutter, FrameError, printFrame } from './frames.ts';
import { METHODS, SCHEMA } from './schema.ts';
import { decode, encode, type Message, WireError } from './wire.ts';

const typeName = (full: string): string => full.slice(full.lastIndexOf('.') + 1);

describe('golden messages', () => {
  it.each(GOLDEN.filter(({ messageType }) => messageType !== undefined))(
    '$messageType is read, and written again to the same bytes',
    ({ messageType = '', hex = '' }) => {
      const message = decode(SCHEMA, typeName(messageType), fromHex(hex));
      expect(toHex(encode(SCHEMA, typeName(messageType), message))).toBe(hex);
    },
  );

  it('says what the JSON beside the bytes says: ids beyond 2^53, zeros, maps', () => {
    const { hex = '' } =
      GOLDEN.find((one) => one.messageType?.endsWith('.GetOrModifyS3ChunkInfoRequest') === true) ?? {};
    const message = decode(SCHEMA, 'GetOrModifyS3ChunkInfoRequest', fromHex(hex));
    const add = message['s3ChunkInfoAdd'] as Map<bigint, { s3Chunks: Message[] }>;
    expect([...add.keys()]).toEqual([0n, 1n]);
    expect(add.get(1n)?.s3Chunks).toEqual([
      { chunkId: 9007199254740993n, compaction: 0n, offset: 67108864n, len: 1n, size: 1n, zero: false },
      {
        chunkId: 2n ** 64n - 1n,
        compaction: 4294967296n,
        offset: 1099511627776n,
        len: 4096n,
        size: 4096n,
        zero: true,
      },
    ]);
    expect((message['s3ChunkInfoRemove'] as Map<bigint, { s3Chunks: Message[] }>).get(0n)?.s3Chunks).toHaveLength(3);
    expect(message).toMatchObject({ poolId: 1, inodeId: 100n, returnS3ChunkInfoMap: true, fromS3Compaction: true });
  });
});

describe('golden frames', () => {
  it.each(GOLDEN)('$name $direction, captured on the wire, is cut byte by byte', (vector) => {
    const { baiduStd, direction, name } = vector;
    const cutter = new FrameCutter();
    const frames = [...fromHex(baiduStd.frameHex)].flatMap((byte) => [...cutter.push(Buffer.from([byte]))]);
    expect(frames.map(({ payload }) => toHex(payload))).toEqual([baiduStd.payloadHex]);
    const [frame] = frames;
    if (direction === 'request') {
      expect(frame?.meta.request?.method_name).toBe(name.replace('-ENOENT', ''));
      expect(METHODS.has(`${frame?.meta.request?.service_name}/${frame?.meta.request?.method_name}`)).toBe(true);
    } else {
      expect(frame?.meta.response?.error_code).toBe(vector.errorCode ?? 0);
    }
    expect(frame?.meta.correlation_id).toBeGreaterThan(0n);
  });

  it('the reply to a call, put together, is the captured one', () => {
    const reply = GOLDEN.find(({ name, direction }) => name === 'GetInode' && direction === 'response');
    const { frameHex = '', payloadHex = '' } = reply?.baiduStd ?? {};
    const [frame] = [...new FrameCutter().push(Buffer.from(fromHex(frameHex)))];
    const { correlation_id = 0n } = frame?.meta ?? {};
    const printed = printFrame({ response: { error_code: 0 }, compress_type: 0, correlation_id }, fromHex(payloadHex));
    expect(toHex(printed)).toBe(frameHex);
  });

  it('what is not PRPC, or larger than a body may be, is refused', () => {
    expect(() => [...new FrameCutter().push(Buffer.from('GET / HTTP/1.1\r\n'))]).toThrow(FrameError);
    const large = Buffer.from('5052504380000000000000ff', 'hex');
    expect(() => [...new FrameCutter().push(large)]).toThrow(FrameError);
  });
});

describe('proto2', () => {
  it('required fields are demanded both ways, and zeros are written', () => {
    const version = { chunkId: 0n, compaction: 0n, offset: 0n, len: 0n, size: 0n, zero: false };
    expect(toHex(encode(SCHEMA, 'S3ChunkInfo', version))).toBe('080010001800200028003000');
    const { zero: _, ...broken } = version;
    expect(() => encode(SCHEMA, 'S3ChunkInfo', broken)).toThrow(WireError);
    const bytes = encode(SCHEMA, 'S3ChunkInfo', broken, false);
    expect(() => decode(SCHEMA, 'S3ChunkInfo', bytes)).toThrow(/zero is required/);
  });

  it('fields that nobody knows are passed over', () => {
    const unknown = Buffer.from('78011d000000002100000000000000007a0141', 'hex');
    const bytes = Buffer.concat([unknown, encode(SCHEMA, 'Peer', { id: 7n, address: 'a' }), unknown]);
    expect(decode(SCHEMA, 'Peer', bytes)).toEqual({ id: 7n, address: 'a' });
  });

  it('numbers of any size come back', () => {
    const id = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const version = fc.record({
      chunkId: id,
      compaction: id,
      offset: id,
      len: id,
      size: id,
      zero: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(version), fc.integer(), (s3Chunks, ttl) => {
        expect(decode(SCHEMA, 'S3ChunkInfoList', encode(SCHEMA, 'S3ChunkInfoList', { s3Chunks }))).toEqual({
          s3Chunks,
        });
        const lock = { primaryKey: 'k', startTs: 1n, timestamp: 2n, ttl };
        expect(decode(SCHEMA, 'TxLock', encode(SCHEMA, 'TxLock', lock))).toEqual(lock);
      }),
    );
  });

  it('bytes of any kind are an error of the wire, or a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decode(SCHEMA, 'GetInodeResponse', bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
