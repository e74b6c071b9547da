/**
 * Protobuf messages (proto2) from a typed table: the table of a message's fields gives its TypeScript type, its encoder
 * and its decoder (ADR 5). What it does that a generated decoder does not: a message that lacks a required field is an error,
 * and required zeros are always written. It must know no message by name.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { MessageFault, Reader, type ValueType } from './values.ts';

type Label = 'required' | 'optional' | 'repeated' | 'map';

export interface Field<T = unknown, L extends Label = Label> {
  readonly no: number;
  readonly label: L;
  readonly wireType: WireType;
  /** As protobuf names the type. */
  readonly protoName: string;
  /** Writes the field with its tag, or all of its tags. */
  write(writer: BinaryWriter, value: T): void;
  /** Reads one occurrence; `before` is what earlier ones gave. */
  read(reader: Reader, before: T | undefined, wireType: WireType): T;
}

function single<T, L extends Label>(no: number, label: L, type: ValueType<T>): Field<T, L> {
  const { wireType, protoName } = type;
  return {
    no,
    label,
    wireType,
    protoName,
    write: (writer, value) => type.write(writer.tag(no, wireType), value),
    read: (reader) => type.read(reader),
  };
}

export function required<T>(no: number, type: ValueType<T>): Field<T, 'required'> {
  return single(no, 'required', type);
}

export function optional<T>(no: number, type: ValueType<T>): Field<T, 'optional'> {
  return single(no, 'optional', type);
}

export function repeated<T>(no: number, type: ValueType<T>): Field<T[], 'repeated'> {
  const { wireType, protoName } = type;
  return {
    no,
    label: 'repeated',
    wireType,
    protoName,
    write(writer, values) {
      for (const value of values) type.write(writer.tag(no, wireType), value);
    },
    read(reader, before = [], got) {
      if (got === wireType) before.push(type.read(reader));
      // Packed: proto2 writes numbers one by one, but a reader takes both.
      else for (const end = reader.uint32() + reader.pos; reader.pos < end; ) before.push(type.read(reader));
      return before;
    },
  };
}

export function map<K, V>(no: number, key: ValueType<K>, value: ValueType<V>): Field<Map<K, V>, 'map'> {
  return {
    no,
    label: 'map',
    wireType: WireType.LengthDelimited,
    protoName: `map<${key.protoName}, ${value.protoName}>`,
    write(writer, entries) {
      for (const [entryKey, entryValue] of entries) {
        writer.tag(no, WireType.LengthDelimited).fork();
        key.write(writer.tag(1, key.wireType), entryKey);
        value.write(writer.tag(2, value.wireType), entryValue);
        writer.join();
      }
    },
    read(reader, before = new Map<K, V>()) {
      const end = endOf(reader, 'a map entry');
      let entryKey: K | undefined;
      let entryValue: V | undefined;
      while (reader.pos < end) {
        const [entryNo, wireType] = reader.tag();
        if (entryNo === 1 && wireType === key.wireType) entryKey = key.read(reader);
        else if (entryNo === 2 && wireType === value.wireType) entryValue = value.read(reader);
        else reader.skip(wireType, entryNo);
      }
      if (reader.pos !== end || entryKey === undefined || entryValue === undefined) {
        throw new MessageFault('a map entry lacks its key or its value');
      }
      return before.set(entryKey, entryValue);
    },
  };
}

type Fields = Readonly<Record<string, Field>>;
type ValueOf<F> = F extends Field<infer T> ? T : never;
type Deep<T> = T extends (infer E)[] ? readonly E[] : T extends Map<infer K, infer V> ? ReadonlyMap<K, V> : T;
type KeysOf<F extends Fields, L extends Label> = { [K in keyof F]: F[K]['label'] extends L ? K : never }[keyof F];

/** What a decoder gives: repeated fields and maps are always there, optional ones only where they were sent. */
type Decoded<F extends Fields> = {
  readonly [K in KeysOf<F, 'required' | 'repeated' | 'map'>]: Deep<ValueOf<F[K]>>;
} & { readonly [K in KeysOf<F, 'optional'>]?: ValueOf<F[K]> };

/** What an encoder takes: repeated fields and maps may be left out. */
type Encodable<F extends Fields> = { readonly [K in KeysOf<F, 'required'>]: ValueOf<F[K]> } & {
  readonly [K in KeysOf<F, 'repeated' | 'map'>]?: Deep<ValueOf<F[K]>>;
} & { readonly [K in KeysOf<F, 'optional'>]?: ValueOf<F[K]> };

export interface MessageType<F extends Fields = Fields> extends ValueType<Decoded<F>> {
  readonly fields: F;
  encode(value: Encodable<F>): Uint8Array;
  /** Throws MessageFault. */
  decode(data: Uint8Array): Decoded<F>;
}
export type MessageOf<M> = M extends MessageType<infer F> ? Decoded<F> : never;
export type InitOf<M> = M extends MessageType<infer F> ? Encodable<F> : never;

/**
 * A message by its table; fields are written in the order of their numbers, as every protobuf library does. `fast` reads
 * what has all its fields once and no others, up to `end`; for the rest it gives `null` and the table reads.
 */
export function message<const F extends Fields>(
  protoName: string,
  fields: F,
  fast?: (reader: Reader, end: number) => Decoded<F> | null,
): MessageType<F> {
  const rows = Object.entries<Field>(fields).sort(([, a], [, b]) => a.no - b.no);
  const byNumber: ([string, Field] | undefined)[] = [];
  for (const row of rows) byNumber[row[1].no] = row;

  function write(writer: BinaryWriter, value: Readonly<Record<string, unknown>>): void {
    for (const [name, field] of rows) {
      const item = value[name];
      if (item !== undefined) field.write(writer, item);
      else if (field.label === 'required') throw new MessageFault(`${protoName}.${name} is required and was not given`);
    }
  }
  function read(reader: Reader, end: number): Decoded<F> {
    const begin = reader.pos;
    const whole = fast?.(reader, end) ?? null;
    if (whole !== null) return whole;
    reader.pos = begin;
    const value: Record<string, unknown> = {};
    while (reader.pos < end) {
      const key = reader.key();
      const wireType: WireType = key & 7;
      const row = byNumber[key >>> 3];
      if (row !== undefined && takes(row[1], wireType)) {
        value[row[0]] = row[1].read(reader, value[row[0]], wireType);
      } else reader.skip(wireType, key >>> 3);
    }
    if (reader.pos !== end) throw new MessageFault(`a ${protoName} is longer than it says`);
    for (const [name, field] of rows) {
      if (value[name] !== undefined || field.label === 'optional') continue;
      if (field.label === 'required') throw new MessageFault(`${protoName}.${name} is required and is missing`);
      value[name] = field.label === 'map' ? new Map() : [];
    }
    return value as Decoded<F>;
  }
  return {
    protoName,
    fields,
    wireType: WireType.LengthDelimited,
    write(writer, value) {
      writer.fork();
      write(writer, value);
      writer.join();
    },
    read: (reader) => read(reader, endOf(reader, protoName)),
    encode(value) {
      const writer = new BinaryWriter();
      write(writer, value);
      return writer.finish();
    },
    decode: (data) => faultsOf(protoName, () => read(new Reader(data), data.length)),
  };
}

function takes(field: Field, wireType: WireType): boolean {
  if (wireType === field.wireType) return true;
  return field.label === 'repeated' && field.wireType === WireType.Varint && wireType === WireType.LengthDelimited;
}

/** Where the length-delimited value ends that starts here. */
function endOf(reader: Reader, what: string): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new MessageFault(`a ${what} is longer than what holds it`);
  return end;
}

/** The library throws plain errors for bytes that are no message; here they get a name. */
function faultsOf<T>(protoName: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MessageFault) throw error;
    throw new MessageFault(`not a ${protoName}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A remote call as data: the service and the method as they go over the wire, and its two messages. */
export interface Method<Request extends MessageType, Response extends MessageType> {
  /** Full name, e.g. `curvefs.mds.MdsService`. */
  readonly service: string;
  readonly name: string;
  readonly request: Request;
  readonly response: Response;
}

export function method<Request extends MessageType, Response extends MessageType>(
  service: string,
  name: string,
  messages: { readonly request: Request; readonly response: Response },
): Method<Request, Response> {
  return { service, name, ...messages };
}
