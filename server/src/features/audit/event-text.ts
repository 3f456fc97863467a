import type { Json } from '@agent-iam/contract/json'

/** Longest text in an event's open part, in UTF-16 code units: twice the longest name of a resource. */
export const eventTextMax = 2048

// A control character, half of a surrogate pair, or what reads like one of our escapes.
const unsafe = /[\p{Cc}\p{Cs}]|\\(?=u\{)/gu
/** What a text has that is changed, and all surrogates: without the flag `u`, which makes a search slow. */
// oxlint-disable-next-line no-control-regex -- naming the control characters is the point
const mayBeUnsafe = /[\u0000-\u001f\u007f-\u009f\ud800-\udfff\\]/
const escaped = /\\u\{([0-9a-f]{1,4})\}/g

/**
 * Writes control characters and halves of surrogate pairs as `\u{…}`, so that every text can be stored and is visible to
 * people. Two texts never become the same one: a `\u{` that was there before becomes `\u{5c}u{`.
 */
export function escapeText(text: string): string {
  if (!mayBeUnsafe.test(text)) return text
  return text.replace(unsafe, (unit) => `\\u{${unit.charCodeAt(0).toString(16)}}`)
}

/** The text that was escaped. */
export function unescapeText(text: string): string {
  return text.replace(escaped, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** Escapes a text after it is cut to `eventTextMax`; the rest is counted. */
export function eventText(text: string): string {
  if (text.length <= eventTextMax) return escapeText(text)
  const end = isHighSurrogate(text.charCodeAt(eventTextMax - 1)) ? eventTextMax - 1 : eventTextMax
  return `${escapeText(text.slice(0, end))}…[${text.length - end} characters cut]`
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

/** Deepest nesting of an event's open part: twice that of what callers may send. */
const eventDepthMax = 16

/**
 * The members with every text in them cut and escaped, names included, and without what is nested too deep.
 *
 * @param verbatim names of members that stay as they are
 */
export function plainMembers(
  members: Readonly<Record<string, Json>>,
  { depth = 0, verbatim = [] }: { readonly depth?: number; readonly verbatim?: readonly string[] } = {},
): Record<string, Json> {
  const plain = ([name, member]: [string, Json]): [string, Json] =>
    verbatim.includes(name) ? [name, member] : [eventText(name), plainValue(member, depth + 1)]
  return Object.fromEntries(Object.entries(members).map(plain))
}

function plainValue(value: Json, depth: number): Json {
  if (typeof value === 'string') return eventText(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth > eventDepthMax) return '…[nested deeper]'
  return Array.isArray(value) ? value.map((item) => plainValue(item, depth + 1)) : plainMembers(value, { depth })
}
