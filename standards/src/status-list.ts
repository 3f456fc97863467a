import { fromBase64url, toBase64url } from './base64url.ts'

/** The JOSE `typ` of a status list token, so that it is no other token (draft-ietf-oauth-status-list §5.1). */
export const statusListType = 'statuslist+jwt'
/** The media type that a status list token is served as (§8.2). */
export const statusListMediaType = 'application/statuslist+jwt'

/** The status types that every reader knows (§7.1); the others are an application's own. */
export const statusTypes = { valid: 0, invalid: 1, suspended: 2 } as const

const bitSizes = [1, 2, 4, 8] as const
/** How many bits tell one token's status (§4.1). */
export type StatusBits = (typeof bitSizes)[number]

/** The statuses of many tokens, one after the other, the first in the lowest bits of the first byte. */
export interface StatusList {
  readonly bits: StatusBits
  readonly bytes: Uint8Array
}

/** A status list as it stands in a token: compressed, in base64url (§4.2). */
export interface EncodedStatusList {
  readonly bits: StatusBits
  readonly lst: string
}

/** Where a token says that its status stands (§6.2). */
export interface StatusReference {
  readonly uri: string
  readonly idx: number
}

/** What is said in a status list token (§5.1). */
export interface StatusListClaims {
  /** The address of the list: the `uri` of the tokens that refer to it. */
  readonly sub: string
  readonly iat: number
  readonly exp: number | undefined
  /** For how many seconds it is to be believed before it is fetched again. */
  readonly ttl: number | undefined
  readonly statusList: unknown
}

/** It is no status list, no reference to one, or has no such entry. */
export class MalformedStatusListError extends Error {
  override name = 'MalformedStatusListError'
}

/** A list of so many entries, all of them 0 but those that are set. */
export function packStatuses(
  bits: StatusBits,
  size: number,
  set: Iterable<readonly [idx: number, status: number]>,
): StatusList {
  const bytes = new Uint8Array(Math.ceil((size * bits) / 8))
  for (const [idx, status] of set) {
    requireThat(isIndex(idx) && idx < size, `a list of ${size} has no entry ${idx}`)
    requireThat(isIndex(status) && status < 2 ** bits, `${status} is no status of ${bits} bits`)
    const at = Math.floor((idx * bits) / 8)
    const shift = (idx * bits) % 8
    bytes[at] = ((bytes[at] ?? 0) & ~((2 ** bits - 1) << shift)) | (status << shift)
  }
  return { bits, bytes }
}

/** The status of one token. Throws when the list is too short: who asks must then refuse the token (§8.3). */
export function statusAt({ bits, bytes }: StatusList, idx: number): number {
  const byte = isIndex(idx) ? bytes[Math.floor((idx * bits) / 8)] : undefined
  if (byte === undefined) throw new MalformedStatusListError(`the list has no entry ${idx}`)
  return (byte >> ((idx * bits) % 8)) & (2 ** bits - 1)
}

/** Compresses a list with the DEFLATE of the platform, in the ZLIB format (RFC 1950). */
export async function encodeStatusList({ bits, bytes }: StatusList): Promise<EncodedStatusList> {
  const compressed = await collect(throughStream(bytes, new CompressionStream('deflate')), Infinity)
  return { bits, lst: toBase64url(compressed) }
}

/**
 * Reads the `status_list` claim. Decompression ends as soon as there are more than `bytesMax`, so that a few kilobytes
 * from a stranger do not become gigabytes here.
 */
export async function decodeStatusList(value: unknown, { bytesMax }: { bytesMax: number }): Promise<StatusList> {
  const { bits, lst } = membersOf(value)
  const size = bitSizes.find((each) => each === bits)
  if (size === undefined || typeof lst !== 'string') throw new MalformedStatusListError('bits or lst is missing')
  return { bits: size, bytes: await inflate(lst, bytesMax) }
}

/** Where a token's claims say that its status stands; undefined where they say nothing of a status list. */
export function statusReferenceOf(claims: unknown): StatusReference | undefined {
  const { status } = membersOf(claims)
  const { status_list: reference } = membersOf(status)
  if (reference === undefined) return undefined
  const { uri, idx } = membersOf(reference)
  if (typeof uri === 'string' && uri !== '' && isIndex(idx)) return { uri, idx }
  throw new MalformedStatusListError('the token’s reference to its status is malformed')
}

/** Reads the claims of a status list token whose signature was verified. */
export function readStatusListClaims(claims: unknown): StatusListClaims {
  const { sub, iat, exp, ttl, status_list: statusList } = membersOf(claims)
  if (typeof sub !== 'string' || typeof iat !== 'number' || statusList === undefined)
    throw new MalformedStatusListError('sub, iat or status_list is missing')
  return { sub, iat, exp: positive(exp, 'exp'), ttl: positive(ttl, 'ttl'), statusList }
}

function positive(value: unknown, name: string): number | undefined {
  if (value === undefined || (typeof value === 'number' && value > 0)) return value
  throw new MalformedStatusListError(`${name} is no positive number`)
}

async function inflate(lst: string, bytesMax: number): Promise<Uint8Array> {
  try {
    return await collect(throughStream(fromBase64url(lst), new DecompressionStream('deflate')), bytesMax)
  } catch (cause) {
    if (cause instanceof MalformedStatusListError) throw cause
    throw new MalformedStatusListError('lst is no compressed list', { cause })
  }
}

type Chunks = ReadableStream<Uint8Array>

function throughStream(bytes: Uint8Array, through: CompressionStream | DecompressionStream): Chunks {
  // A copy: the platform's streams take no memory that is shared.
  return new Blob([new Uint8Array(bytes)]).stream().pipeThrough(through)
}

async function collect(chunks: Chunks, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    requireThat(size <= bytesMax, `the list has more than ${bytesMax} bytes`)
    parts.push(chunk)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function requireThat(holds: boolean, why: string): void {
  if (!holds) throw new MalformedStatusListError(why)
}
