/**
 * The values that protobuf fields hold: how each type is written and read. Varints and buffers are @bufbuild/protobuf's.
 * Apart from the codec because what a number means (an id to 2^64-1, an offset below 2^53) is a decision of its own.
 */
import { BinaryReader, type BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Bytes that are not such a message. The text names the message and the field, never a value. */
export class MessageFault extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'MessageFault';
  }
}

/** The library's reader, with whole numbers below 2^49 read without a detour over bigint: lists have tens of thousands. */
export class Reader extends BinaryReader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = bytes;
  }

  /** A varint of up to 7 bytes as an exact number; `null`, and nothing read, for a longer one. */
  #small(): number | null {
    const first = this.#bytes[this.pos];
    if (first !== undefined && first < 0x80) {
      this.pos++;
      return first;
    }
    let value = 0;
    let unit = 1;
    for (let n = 0; n < 7; n++) {
      const byte = this.#bytes[this.pos + n];
      if (byte === undefined) return null;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        this.pos += n + 1;
        return value;
      }
      unit *= 128;
    }
    return null;
  }

  id(): bigint {
    const small = this.#small();
    if (small === 0) return 0n;
    return small === null ? BigInt(this.uint64()) : BigInt(small);
  }

  /** A field's number and wire type, as they stand on the wire: `number << 3 | type`. */
  key(): number {
    const byte = this.#bytes[this.pos] ?? 0x80;
    if (byte >= 0x80) return this.uint32();
    this.pos++;
    return byte;
  }

  size(): number {
    return this.#small() ?? Number(this.uint64());
  }
}

/** How a value of one type is written and read. */
export interface ValueType<T> {
  /** As a .proto file says it; of a message the full name. */
  readonly protoName: string;
  readonly wireType: WireType;
  write(writer: BinaryWriter, value: T): void;
  read(reader: Reader): T;
}

/** What the library writes and reads under the name that protobuf has for it. */
function plain<T>(wireType: WireType, protoName: 'uint32' | 'int32' | 'bool' | 'string' | 'bytes'): ValueType<T> {
  return {
    protoName,
    wireType,
    write: (writer, value) => writer[protoName](value as never),
    read: (reader) => reader[protoName]() as T,
  };
}

export const uint32 = plain<number>(WireType.Varint, 'uint32');
export const int32 = plain<number>(WireType.Varint, 'int32');
export const bool = plain<boolean>(WireType.Varint, 'bool');
export const string = plain<string>(WireType.LengthDelimited, 'string');
export const bytes = plain<Uint8Array>(WireType.LengthDelimited, 'bytes');
export const int64: ValueType<bigint> = {
  protoName: 'int64',
  wireType: WireType.Varint,
  write: (writer, value) => writer.int64(value),
  read: (reader) => BigInt(reader.int64()),
};
/** An id: exact to 2^64-1. */
export const uint64: ValueType<bigint> = {
  protoName: 'uint64',
  wireType: WireType.Varint,
  write: (writer, value) => writer.uint64(value),
  read: (reader) => reader.id(),
};
/** An offset or a length. One of 2^53 or more is read as a number that is not a safe integer: the caller refuses it. */
export const size64: ValueType<number> = {
  protoName: 'uint64',
  wireType: WireType.Varint,
  write(writer, value) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not an offset or a length`);
    writer.uint64(value);
  },
  read: (reader) => reader.size(),
};
/** Text of no known encoding, as file names are: one character for each byte, so that it goes back as it came. */
export const byteString: ValueType<string> = {
  protoName: 'string',
  wireType: WireType.LengthDelimited,
  write: (writer, value) => writer.bytes(Buffer.from(value, 'latin1')),
  read: (reader) => Buffer.from(reader.bytes()).toString('latin1'),
};

/** An enum by its names; a number without a name (a newer server's) stays a number. */
export function enumeration<const N extends string>(
  protoName: string,
  numbers: Readonly<Record<N, number>>,
): ValueType<N | number> & { readonly numbers: Readonly<Record<N, number>> } {
  const names = new Map<number, N>();
  for (const name of Object.keys(numbers) as N[]) names.set(numbers[name], name);
  return {
    protoName,
    numbers,
    wireType: WireType.Varint,
    write: (writer, value) => writer.int32(typeof value === 'number' ? value : numbers[value]),
    read(reader) {
      const number = reader.int32();
      return names.get(number) ?? number;
    },
  };
}
