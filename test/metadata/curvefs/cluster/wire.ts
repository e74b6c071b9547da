/**
 * The protobuf wire format, written from its public description: what the stand-in cluster encodes and decodes with. It
 * stands alone, and shares no code with src/metadata/curvefs, so that two independent readings of the facts meet on the
 * socket. It knows no message: schema.ts has them as tables. Required fields are checked both ways (proto2).
 *
 * 64-bit numbers are bigint, other numbers and enums number, maps Map, repeated fields arrays.
 */

export type Label = 'required' | 'optional' | 'repeated';

export interface Field {
  readonly name: string;
  readonly no: number;
  /** A scalar, `enum`, or the name of a message. */
  readonly type: string;
  readonly label: Label;
  /** Set for maps: the type of the key; `type` is then that of the value. */
  readonly mapKey?: string;
}

/** Message name → its fields by ascending number. */
export type Schema = ReadonlyMap<string, readonly Field[]>;

export type Message = Readonly<Record<string, unknown>>;

export class WireError extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const NUMBERS: ReadonlySet<string> = new Set(['uint32', 'int32', 'bool', 'enum', 'uint64', 'int64']);

/** `checkRequired: false` makes a message that a broken server would send. */
export function encode(schema: Schema, name: string, message: Message, checkRequired = true): Buffer {
  const writer = new Writer();
  for (const field of fieldsOf(schema, name)) {
    const value = message[field.name];
    if (value === undefined) {
      if (checkRequired && field.label === 'required') throw new WireError(`${name}.${field.name} is required`);
      continue;
    }
    for (const one of valuesOf(field, value)) {
      if (field.mapKey === undefined) writeField(writer, { schema, field, checkRequired }, one);
      else writeEntry(writer, { schema, field, checkRequired }, one as readonly [unknown, unknown]);
    }
  }
  return writer.done();
}

export function decode(schema: Schema, name: string, bytes: Uint8Array): Message {
  const fields = fieldsOf(schema, name);
  const message: Record<string, unknown> = {};
  for (const field of fields) {
    if (field.mapKey !== undefined) message[field.name] = new Map();
    else if (field.label === 'repeated') message[field.name] = [];
  }
  const reader = new Reader(bytes);
  while (!reader.atEnd()) {
    const key = Number(reader.varint());
    const no = key >>> 3;
    const field = fields[no - 1]?.no === no ? fields[no - 1] : fields.find((one) => one.no === no);
    const wireType = key & 7;
    if (field === undefined) reader.skip(wireType);
    else readField(reader, { schema, field, wireType }, message);
  }
  for (const field of fields) {
    if (field.label === 'required' && message[field.name] === undefined) {
      throw new WireError(`${name}.${field.name} is required and missing`);
    }
  }
  return message;
}

function fieldsOf(schema: Schema, name: string): readonly Field[] {
  const fields = schema.get(name);
  if (fields === undefined) throw new WireError(`no message ${name}`);
  return fields;
}

function valuesOf(field: Field, value: unknown): Iterable<unknown> {
  if (field.mapKey !== undefined) return (value as Map<unknown, unknown>).entries();
  return field.label === 'repeated' ? (value as readonly unknown[]) : [value];
}

interface WriteContext {
  readonly schema: Schema;
  readonly field: Field;
  readonly checkRequired: boolean;
}

function writeEntry(writer: Writer, context: WriteContext, [key, value]: readonly [unknown, unknown]): void {
  const { field } = context;
  const entry = new Writer();
  const keyField: Field = { name: 'key', no: 1, type: field.mapKey ?? '', label: 'optional' };
  writeField(entry, { ...context, field: keyField }, key);
  writeField(entry, { ...context, field: { name: 'value', no: 2, type: field.type, label: 'optional' } }, value);
  writer.bytesField(field.no, entry.done());
}

function writeField(writer: Writer, { schema, field, checkRequired }: WriteContext, value: unknown): void {
  if (NUMBERS.has(field.type)) {
    writer.varint((field.no << 3) | VARINT);
    if (typeof value === 'bigint') writer.varint64(BigInt.asUintN(64, value));
    else writer.varint(Number(value));
    return;
  }
  if (field.type === 'string') writer.bytesField(field.no, Buffer.from(value as string, 'utf8'));
  else if (field.type === 'bytes') writer.bytesField(field.no, value as Uint8Array);
  else writer.bytesField(field.no, encode(schema, field.type, value as Message, checkRequired));
}

interface ReadContext {
  readonly schema: Schema;
  readonly field: Field;
  readonly wireType: number;
}

function readField(reader: Reader, context: ReadContext, message: Record<string, unknown>): void {
  const { field, wireType } = context;
  if (field.mapKey !== undefined) {
    const [key, value] = readEntry(context, reader.bytes());
    (message[field.name] as Map<unknown, unknown>).set(key, value);
  } else if (field.label !== 'repeated') {
    message[field.name] = readValue(reader, context);
  } else {
    const list = message[field.name] as unknown[];
    // A packed list is one field; proto2 writes each element as a field of its own unless it is told otherwise.
    if (wireType === BYTES && NUMBERS.has(field.type)) {
      const packed = new Reader(reader.bytes());
      while (!packed.atEnd()) list.push(readValue(packed, { ...context, wireType: VARINT }));
    } else list.push(readValue(reader, context));
  }
}

function readEntry({ schema, field }: ReadContext, bytes: Uint8Array): readonly [unknown, unknown] {
  const reader = new Reader(bytes);
  let key: unknown = field.mapKey === 'string' ? '' : field.mapKey === 'uint64' ? 0n : 0;
  let value: unknown = NUMBERS.has(field.type) ? 0 : {};
  while (!reader.atEnd()) {
    const tag = reader.varint();
    const wireType = Number(tag & 7n);
    const no = Number(tag >> 3n);
    if (no > 2) reader.skip(wireType);
    const type = no === 1 ? (field.mapKey ?? '') : field.type;
    const part: Field = { name: 'entry', no, type, label: 'optional' };
    if (no === 1) key = readValue(reader, { schema, field: part, wireType });
    else if (no === 2) value = readValue(reader, { schema, field: part, wireType });
  }
  return [key, value];
}

function readValue(reader: Reader, { schema, field, wireType }: ReadContext): unknown {
  const { type } = field;
  if (wireType !== (NUMBERS.has(type) ? VARINT : BYTES)) throw new WireError(`${field.name} has wire type ${wireType}`);
  if (type === 'uint64') return reader.varint();
  if (type === 'int64') return BigInt.asIntN(64, reader.varint());
  if (type === 'bool') return reader.varint() !== 0n;
  if (type === 'int32' || type === 'enum') return Number(BigInt.asIntN(32, reader.varint()));
  if (type === 'uint32') return Number(BigInt.asUintN(32, reader.varint()));
  const bytes = reader.bytes();
  if (type === 'string') return Buffer.from(bytes).toString('utf8');
  return type === 'bytes' ? Buffer.from(bytes) : decode(schema, type, bytes);
}

const CHUNK_BYTES = 64 * 1024;

class Writer {
  #buffer = Buffer.allocUnsafe(64);
  #at = 0;

  done(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  varint(value: number): void {
    if (value < 0) {
      this.varint64(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    this.#room(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  varint64(value: bigint): void {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.varint(Number(value));
      return;
    }
    this.#room(10);
    let rest = value;
    while (rest >= 0x80n) {
      this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#at++] = Number(rest);
  }

  bytesField(no: number, bytes: Uint8Array): void {
    this.varint((no << 3) | BYTES);
    this.varint(bytes.length);
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes, CHUNK_BYTES));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let small = 0;
    let factor = 1;
    for (let n = 0; n < 7; n++) {
      const byte = this.#byte();
      small += (byte & 0x7f) * factor;
      if (byte < 0x80) return BigInt(small);
      factor *= 0x80;
    }
    let value = BigInt(small);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError('a varint is too long');
  }

  bytes(): Uint8Array {
    const length = Number(this.varint());
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new WireError('a field reaches beyond the end');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === BYTES) this.bytes();
    else if (wireType === FIXED64) this.#at += 8;
    else if (wireType === FIXED32) this.#at += 4;
    else throw new WireError(`wire type ${wireType}`);
    if (this.#at > this.#bytes.length) throw new WireError('a field reaches beyond the end');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new WireError('the message ends early');
    return byte;
  }
}
