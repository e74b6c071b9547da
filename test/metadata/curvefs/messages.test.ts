/**
 * The tables of messages against two things that do not come from them: bytes that C++ wrote, and the .proto files.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as cli2 from '../../../src/metadata/curvefs/proto/cli2.ts';
import { type MessageType, message } from '../../../src/metadata/curvefs/proto/codec.ts';
import * as common from '../../../src/metadata/curvefs/proto/common.ts';
import * as heartbeat from '../../../src/metadata/curvefs/proto/heartbeat.ts';
import * as mds from '../../../src/metadata/curvefs/proto/mds.ts';
import * as metaserver from '../../../src/metadata/curvefs/proto/metaserver.ts';
import type { Method } from '../../../src/metadata/curvefs/proto/method.ts';
import * as rpc from '../../../src/metadata/curvefs/proto/rpc.ts';
import * as topology from '../../../src/metadata/curvefs/proto/topology.ts';
import { MessageFault } from '../../../src/metadata/curvefs/proto/values.ts';
import { fromHex, GOLDEN, toHex } from './golden.ts';

const PROTO = new URL('../../../src/metadata/curvefs/proto/', import.meta.url);
const FILES = {
  'curvefs/proto/common.proto': common,
  'curvefs/proto/heartbeat.proto': heartbeat,
  'curvefs/proto/topology.proto': topology,
  'curvefs/proto/mds.proto': mds,
  'curvefs/proto/cli2.proto': cli2,
  'curvefs/proto/metaserver.proto': metaserver,
  'brpc/baidu_rpc_meta.proto': rpc,
};

type Enumeration = { readonly protoName: string; readonly numbers: Readonly<Record<string, number>> };

function tables(): Map<string, MessageType | Enumeration | Method<MessageType, MessageType>> {
  const all = new Map<string, MessageType | Enumeration | Method<MessageType, MessageType>>();
  for (const file of Object.values(FILES)) {
    for (const table of Object.values(file) as (MessageType | Enumeration | Method<MessageType, MessageType>)[]) {
      all.set('service' in table ? `${table.service}/${table.name}` : table.protoName, table);
    }
  }
  return all;
}

function messageType(name: string): MessageType {
  const table = tables().get(name);
  if (table === undefined || !('fields' in table)) throw new Error(`no message ${name}`);
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
  const messages = GOLDEN.filter((vector) => vector.messageType !== undefined);

  it('has all 21 of them', () => {
    expect(messages).toHaveLength(21);
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

interface ParsedProto {
  readonly messages: Map<string, Map<string, string>>;
  readonly enums: Map<string, Map<string, number>>;
  readonly methods: Map<string, readonly [request: string, response: string]>;
}

/** As much of the .proto language as our files use. */
function parseProto(text: string): ParsedProto {
  const parsed: ParsedProto = { messages: new Map(), enums: new Map(), methods: new Map() };
  const code = text.replaceAll(/\/\/.*/g, '');
  const scope = /package ([\w.]+);/.exec(code)?.[1] ?? '';
  for (const [, kind, name, body = ''] of code.matchAll(/(message|enum|service) (\w+) \{([^}]*)\}/g)) {
    const fullName = `${scope}.${name}`;
    if (kind === 'message') {
      const fields = body.matchAll(/(?:(required|optional|repeated) )?([\w.]+|map<[^>]+>) (\w+) = (\d+);/g);
      const rows = [...fields].map(
        ([, label, type, field, no]) => [field ?? '', `${label ?? 'map'} ${type} ${no}`] as const,
      );
      parsed.messages.set(fullName, new Map(rows));
    } else if (kind === 'enum') {
      const values = [...body.matchAll(/(\w+) = (\d+);/g)].map(([, value, no]) => [value ?? '', Number(no)] as const);
      parsed.enums.set(fullName, new Map(values));
    } else {
      for (const [, method, request, response] of body.matchAll(/rpc (\w+)\((\w+)\) returns \((\w+)\);/g)) {
        parsed.methods.set(`${fullName}/${method}`, [`${scope}.${request}`, `${scope}.${response}`]);
      }
    }
  }
  return parsed;
}

describe('the tables say what the .proto files say', () => {
  it.each(Object.entries(FILES))('%s', (path, file) => {
    const text = readFileSync(new URL(path, PROTO), 'utf8');
    const parsed = parseProto(text);
    const scope = /package ([\w.]+);/.exec(text)?.[1] ?? '';
    // A type of the same package is named without it.
    const local = (name: string) =>
      name.replaceAll(new RegExp(`${scope.replaceAll('.', '\\.')}\\.(?=\\w+(>|$))`, 'g'), '');
    let compared = 0;
    for (const table of Object.values(file) as (MessageType | Enumeration | Method<MessageType, MessageType>)[]) {
      compared++;
      if ('service' in table) {
        const messages = parsed.methods.get(`${table.service}/${table.name}`);
        expect(messages).toEqual([table.request.protoName, table.response.protoName]);
      } else if ('fields' in table) {
        const rows = Object.entries(table.fields).map(
          ([name, field]) => [name, `${field.label} ${local(field.protoName)} ${field.no}`] as const,
        );
        expect(new Map(rows)).toEqual(parsed.messages.get(table.protoName));
      } else {
        expect(new Map(Object.entries(table.numbers))).toEqual(parsed.enums.get(table.protoName));
      }
    }
    expect(compared).toBe(parsed.messages.size + parsed.enums.size + parsed.methods.size);
  });
});
