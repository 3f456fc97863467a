/** The text is not lower-case hexadecimal of whole bytes. */
export class MalformedHexError extends Error {
  override name = 'MalformedHexError'
}

/** Writes bytes as lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Reads what {@link toHex} writes; upper case is refused, so that equal bytes are equal texts. */
export function fromHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new MalformedHexError('not lower-case hexadecimal of whole bytes')
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16))
}
