import { fromBase64url, toBase64url } from '../src/base64url.ts'

/** The top-level fields of a token as they stand (Biscuit v3: 1 root key id, 2 authority, 3 a block each, 4 proof). */
export function fieldsOf(token: string): Uint8Array[] {
  const bytes = fromBase64url(token.replace(/=+$/, ''))
  const fields: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const end = endOfField(bytes, at)
    fields.push(bytes.slice(at, end))
    at = end
  }
  return fields
}

export function tokenOf(fields: readonly Uint8Array[]): string {
  return toBase64url(Uint8Array.from(fields.flatMap((field) => [...field])))
}

function endOfField(bytes: Uint8Array, start: number): number {
  const isNumber = ((bytes[start] ?? 0) & 7) === 0
  const [value, end] = varint(bytes, start + 1)
  return isNumber ? end : end + value
}

function varint(bytes: Uint8Array, start: number): readonly [value: number, end: number] {
  let value = 0
  for (let at = start, unit = 1; ; at += 1, unit *= 128) {
    const byte = bytes[at] ?? 0
    value += (byte & 127) * unit
    if (byte < 128) return [value, at + 1]
  }
}
