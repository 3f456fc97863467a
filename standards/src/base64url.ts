const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const values = new Map(Array.from(alphabet, (character, value): [string, number] => [character, value]))

/** The text is not the one base64url spelling of any bytes. */
export class MalformedBase64Error extends Error {
  override name = 'MalformedBase64Error'
}

/** Writes bytes in base64url without padding (RFC 4648 §5). */
export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const group = bytes.subarray(at, at + 3)
    const bits = ((group[0] ?? 0) << 16) | ((group[1] ?? 0) << 8) | (group[2] ?? 0)
    for (let digit = 0; digit <= group.length; digit++) text += alphabet.charAt((bits >> (18 - 6 * digit)) & 63)
  }
  return text
}

/**
 * Reads base64url without padding.
 *
 * Only the spelling that {@link toBase64url} writes is accepted: with two spellings of one key or nonce, a check for
 * "seen before" that compares texts could be passed twice.
 */
export function fromBase64url(text: string): Uint8Array {
  const length = Math.floor((text.length * 6) / 8)
  if (text.length % 4 === 1) throw new MalformedBase64Error(`${text.length} characters are no whole number of bytes`)
  const bytes = new Uint8Array(length)
  let bits = 0
  let bitCount = 0
  let next = 0
  for (const character of text) {
    bits = ((bits << 6) | digitOf(character)) & 0xffff
    bitCount += 6
    if (bitCount < 8) continue
    bitCount -= 8
    bytes[next++] = (bits >> bitCount) & 0xff
  }
  if ((bits & ((1 << bitCount) - 1)) !== 0) throw new MalformedBase64Error('the last character has bits left over')
  return bytes
}

function digitOf(character: string): number {
  const digit = values.get(character)
  if (digit === undefined) throw new MalformedBase64Error(`${JSON.stringify(character)} is not a base64url character`)
  return digit
}
