/** A text as a Cedar string: whatever it holds, it stays between the quotes. */
export function writeString(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, toEscape)}"`
}

function toEscape(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}

const escapes = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['0', '\0'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
])
const pieces = /\\u\{[0-9a-fA-F]{1,6}\}|\\x[0-7][0-9a-fA-F]|\\.?|[^\\]+/gsu

/** What a Cedar string, without its quotes, says; undefined when it holds an escape that Cedar does not know. */
export function readString(written: string): string | undefined {
  const said = Array.from(written.matchAll(pieces), ([piece]) => (piece.startsWith('\\') ? readEscape(piece) : piece))
  return said.includes(undefined) ? undefined : said.join('')
}

function readEscape(piece: string): string | undefined {
  const code = /^\\(?:u\{|x)([0-9a-fA-F]+)/.exec(piece)?.[1]
  if (code === undefined) return escapes.get(piece.slice(1))
  const point = Number.parseInt(code, 16)
  const isCharacter = point <= 0x10_ff_ff && !(point >= 0xd8_00 && point <= 0xdf_ff)
  return isCharacter ? String.fromCodePoint(point) : undefined
}
