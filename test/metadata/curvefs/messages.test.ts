/**
 * The tables of messages against two things that do not come from them: bytes that C++ wrote, and the schema of the
 * stand-in cluster, which was copied from the facts by hand.
 */
import { describe, expect, it } from 'vitest';
import { RpcMeta } from '../../../src/metadata/curvefs/frame.ts';
import { type MessageType, type Method, message } from '../../../src/metadata/curvefs/proto/codec.ts';
import * as mds from '../../../src/metadata/curvefs/proto/mds.ts';
import * as metaserver from '../../../src/metadata/curvefs/proto/metaserver.ts';
import { MessageFault } from '../../../src/metadata/curvefs/proto/values.ts';
import { METHODS, SCHEMA } from './cluster/schema.ts';
import type { Field as SchemaField } from './cluster/wire.ts';
import { fromHex, GOLDEN, toHex } from './golden.ts';

type Table = MessageType | Method<MessageType, MessageType> | { readonly numbers: Readonly<Record<string, number>> };

const FILES: Readonly<Record<string, Readonly<Record<string, Table>>>> = { frame: { RpcMeta }, mds, metaserver };
const TABLES = Object.values(FILES).flatMap((file) => Object.values(file));
const MESSAGES = new Map(TABLES.flatMap((table) => ('fields' in table ? [[table.protoName, table] as const] : [])));
const CALLS = TABLES.filter((table) => 'service' in table);

function messageType(name: string): MessageType {
  const table = MESSAGES.get(name);
  if (table === undefined) throw new Error(`no message ${name}`);
  return table;
}

/** Numbers of any size as decimal text, maps as objects: the JSON of protobuf without the types. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, one]) => [String(key), plain(one)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

/** protobuf's JSON leaves empty lists and maps out. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, withoutEmpty(one)] as const);
  const empty = (one: unknown) => typeof one === 'object' && one !== null && Object.keys(one).length === 0;
  return Object.fromEntries(entries.filter(([, one]) => !empty(one)));
}

describe('golden messages', () => {
  // Two calls of the 21 vectors (AllocateS3Chunk, GetCopysetsInfo) are the stand-in's alone.
  const messages = GOLDEN.filter(({ messageType = '' }) => MESSAGES.has(messageType));

  it('has requests and answers of all calls but those that the vectors do not have', () => {
    const seen = new Set(messages.map((vector) => vector.messageType));
    const lacking = CALLS.filter(
      ({ request, response }) => !seen.has(request.protoName) || !seen.has(response.protoName),
    );
    expect(lacking.map(({ name }) => name)).toEqual(['ListClusterFsInfo', 'GetMetaServer']);
  });

  it.each(messages)('$name $direction: decoded as C++ says, encoded to the same bytes', (vector) => {
    const type = messageType(vector.messageType ?? '');
    const decoded = type.decode(fromHex(vector.hex ?? ''));
    expect(withoutEmpty(plain(decoded))).toEqual(withoutEmpty(plain(vector.json)));
    expect(toHex(type.encode(decoded))).toBe(vector.hex);
  });

  it.each(messages)('$name $direction: without any one required field it is refused', (vector) => {
    const type = messageType(vector.messageType ?? '');
    const decoded = type.decode(fromHex(vector.hex ?? ''));
    for (const [name, field] of Object.entries(type.fields)) {
      if (field.label !== 'required') continue;
      const { [name]: _, ...lacking } = decoded as Record<string, unknown>;
      const lax = Object.fromEntries(Object.entries(type.fields).filter(([other]) => other !== name));
      expect(() => type.encode(lacking)).toThrow(MessageFault);
      expect(() => type.decode(encodeLax(lax, lacking))).toThrow(`${name} is required and is missing`);
    }
  });
});

/** A message that lacks what its table requires, as a broken server would send it. */
function encodeLax(fields: MessageType['fields'], value: Record<string, unknown>): Uint8Array {
  return message('lax', fields).encode(value as never);
}

describe('the codec', () => {
  it('keeps ids to 2^64-1 exact, in fields and as keys of maps', () => {
    const info = { compaction: 2n ** 64n - 1n, offset: 2 ** 52, len: 1, size: 1, zero: true };
    const chunkIds = [0n, 1n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
    const list = { s3Chunks: chunkIds.map((chunkId) => ({ ...info, chunkId })) };
    expect(metaserver.S3ChunkInfoList.decode(metaserver.S3ChunkInfoList.encode(list))).toEqual(list);
    const response = { statusCode: 'OK' as const, s3ChunkInfoMap: new Map(chunkIds.map((id) => [id, list])) };
    const { GetOrModifyS3ChunkInfoResponse } = metaserver;
    expect(GetOrModifyS3ChunkInfoResponse.decode(GetOrModifyS3ChunkInfoResponse.encode(response))).toEqual(response);
  });

  it('reads an offset beyond 2^53 as a number that is no safe integer, and writes none', () => {
    const { S3ChunkInfo } = metaserver;
    const beyond = fromHex('08011000188080808080808010200128013000');
    expect(Number.isSafeInteger(S3ChunkInfo.decode(beyond).offset)).toBe(false);
    const info = { chunkId: 1n, compaction: 0n, len: 1, size: 1, zero: false };
    for (const offset of [2 ** 53, -1, 0.5, Number.NaN])
      expect(() => S3ChunkInfo.encode({ ...info, offset })).toThrow();
  });

  it('keeps a number that an enum has no name for', () => {
    const { GetInodeResponse } = metaserver;
    expect(GetInodeResponse.decode(fromHex('0863')).statusCode).toBe(99);
  });

  it('skips fields it does not know and takes packed numbers', () => {
    const { BatchGetInodeAttrRequest } = metaserver;
    const request = BatchGetInodeAttrRequest.decode(
      fromHex('0801100118012001' + '2a03010203' + '2804' + 'fa0103616263'),
    );
    expect(request.inodeId).toEqual([1n, 2n, 3n, 4n]);
  });

  it('answers every truncation and every changed byte with a message or a MessageFault', () => {
    const { GetInodeResponse } = metaserver;
    const golden = GOLDEN.find((v) => v.name === 'GetInode' && v.direction === 'response');
    const bytes = fromHex(golden?.hex ?? '');
    let refused = 0;
    const attempt = (data: Uint8Array): void => {
      try {
        GetInodeResponse.decode(data);
      } catch (error) {
        expect(error).toBeInstanceOf(MessageFault);
        refused++;
      }
    };
    for (let end = 0; end < bytes.length; end++) attempt(bytes.subarray(0, end));
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x02, 0x80, 0xff]) {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ flip;
        attempt(changed);
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

/** The type of a field as the stand-in's schema names it. */
function schemaType(protoName: string): string {
  const name = protoName.slice(protoName.lastIndexOf('.') + 1);
  return SCHEMA.has(name) || /^(?:u?int(?:32|64)|bool|string|bytes)$/.test(name) ? name : 'enum';
}

function schemaField(name: string, { no, label, protoName }: MessageType['fields'][string]): SchemaField {
  const [, mapKey, type = protoName] = /^map<(\w+), (.+)>$/.exec(protoName) ?? [];
  const field = { name, no, type: schemaType(type), label: label === 'map' ? 'optional' : label } as const;
  return mapKey === undefined ? field : { ...field, mapKey };
}

describe('the tables and the schema of the stand-in, each copied from the facts by itself, agree', () => {
  it.each([...MESSAGES])('%s', (name, { fields }) => {
    const known = SCHEMA.get(name.slice(name.lastIndexOf('.') + 1)) ?? [];
    const ours = Object.entries(fields).map(([field, row]) => schemaField(field, row));
    // What ours leaves out is passed over on the wire; that may be what is optional only.
    expect(ours).toEqual(known.filter((one) => one.label === 'required' || one.name in fields));
  });

  it.each(CALLS)('$service/$name', ({ service, name, request, response }) => {
    const known = METHODS.get(`${service}/${name}`);
    const short = (protoName: string) => protoName.slice(protoName.lastIndexOf('.') + 1);
    expect({ request: short(request.protoName), response: short(response.protoName) }).toEqual(known);
  });
});
