// Of the Protocol Buffers encoding, what a Biscuit is written in: fields of numbers and of bytes.

/** A field as it was read. */
export interface Field {
  readonly number: number
  /** The bytes of the value; empty for a number. */
  readonly content: Uint8Array
  /** The field with its tag. */
  readonly whole: Uint8Array
}

const numberType = 0
const bytesType = 2
/** Longest number that is read: 32 bits. */
const varintBytesMax = 5

/** Reads the fields of a message. Throws `RangeError` for what is none. */
export function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = []
  for (let at = 0; at < message.length;) {
    const tag = readVarint(message, at)
    const value = readVarint(message, tag.end)
    const type = tag.value & 7
    if (type !== numberType && type !== bytesType) throw new RangeError('a field of another type')
    const end = type === bytesType ? value.end + value.value : value.end
    if (end > message.length) throw new RangeError('a field ends after its message')
    const content = message.subarray(value.end, end)
    fields.push({ number: tag.value >>> 3, content, whole: message.subarray(at, end) })
    at = end
  }
  return fields
}

/** A field of bytes. */
export function lengthField(number: number, content: Uint8Array): Uint8Array {
  return Uint8Array.from([...varint((number << 3) | bytesType), ...varint(content.length), ...content])
}

/** A field of a small number. */
export function varintField(number: number, value: number): Uint8Array {
  return Uint8Array.from([...varint((number << 3) | numberType), ...varint(value)])
}

function readVarint(message: Uint8Array, from: number): { readonly value: number; readonly end: number } {
  let value = 0
  for (let place = 0; place < varintBytesMax; place++) {
    const byte = message[from + place]
    if (byte === undefined) throw new RangeError('a number ends after its message')
    value += (byte & 0x7f) * 2 ** (7 * place)
    if (byte < 0x80) return { value, end: from + place + 1 }
  }
  throw new RangeError('a number has more than 32 bits')
}

function varint(value: number): number[] {
  const bytes = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}
