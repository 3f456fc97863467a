import {
  decodeStatusList,
  MalformedStatusListError,
  readStatusListClaims,
  statusListMediaType,
  statusListType,
  type StatusList,
} from '@agent-iam/standards/status-list'
import { createLocalJWKSet, errors, jwtVerify, type JWTPayload } from 'jose'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { StatusUnknownError } from './errors.ts'

/** A list whose signature was verified. */
export interface VerifiedList {
  readonly list: StatusList
  /** In seconds since 1970: until then it is believed, */
  readonly freshUntil: number
  /** and until then by who cannot get another, and would rather go on. */
  readonly expiresAt: number
}

/** A list of millions is smaller; what is larger comes from somebody who means harm. */
const tokenBytesMax = 2 ** 20
const listBytesMax = 2 ** 21
const keySetBytesMax = 2 ** 18
/** For how long a key set is used before it is fetched again. */
const keySetSeconds = 300
/** A list may name a key that came after ours were fetched; so often at most they are fetched for that. */
const keySetRetrySeconds = 10
/** A list that does not say for how long it is believed is believed for as long as ours are. */
const ttlSecondsOtherwise = 60
const clockToleranceSeconds = 5
/** A list comes in milliseconds; a request that waits for it must not wait for ever. */
const answerMsMax = 5000

const KeySet = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })) })
type KeySet = z.infer<typeof KeySet>

/** Fetches the status lists of one issuer, and believes only what its keys signed. */
export class StatusListSource {
  readonly #issuer: string
  readonly #fetch: typeof globalThis.fetch
  readonly #clock: Clock
  #keys: { readonly set: KeySet; readonly fetchedAt: number } | undefined

  constructor({ issuer, fetch, clock }: { issuer: string; fetch: typeof globalThis.fetch; clock: Clock }) {
    this.#issuer = issuer
    this.#fetch = fetch
    this.#clock = clock
  }

  /** Throws `StatusUnknownError` for whatever is wrong with it. */
  async fetchList(uri: string): Promise<VerifiedList> {
    const token = await this.#read(uri, { accept: statusListMediaType, bytesMax: tokenBytesMax })
    try {
      return await this.#open(uri, await this.#verify(uri, token))
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) throw stale(uri, cause)
      const isItsFault = cause instanceof errors.JOSEError || cause instanceof MalformedStatusListError
      throw isItsFault
        ? new StatusUnknownError('list-invalid', `${uri} is no status list of ${this.#issuer}: ${cause.message}`, cause)
        : cause
    }
  }

  async #open(uri: string, payload: JWTPayload): Promise<VerifiedList> {
    const { iat, exp = Infinity, ttl = ttlSecondsOtherwise, statusList } = readStatusListClaims(payload)
    // Counted from when it was made, not from when it came: it may have lain in a cache.
    const freshUntil = iat + ttl + clockToleranceSeconds
    if (freshUntil <= this.#now()) throw stale(uri)
    return { list: await decodeStatusList(statusList, { bytesMax: listBytesMax }), freshUntil, expiresAt: exp }
  }

  async #verify(uri: string, token: string): Promise<JWTPayload> {
    const verify = async (keys: KeySet) =>
      jwtVerify(token, createLocalJWKSet(keys), {
        typ: statusListType,
        issuer: this.#issuer,
        subject: uri,
        algorithms: ['RS256', 'EdDSA', 'Ed25519', 'ES256'],
        currentDate: this.#clock.now(),
        clockTolerance: clockToleranceSeconds,
        requiredClaims: ['iat'],
      })
    try {
      return (await verify(await this.#keySet(keySetSeconds))).payload
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      return (await verify(await this.#keySet(keySetRetrySeconds))).payload
    }
  }

  /** The issuer's keys, fetched no longer ago than that. */
  async #keySet(secondsMax: number): Promise<KeySet> {
    if (this.#keys && this.#now() < this.#keys.fetchedAt + secondsMax) return this.#keys.set
    const url = `${this.#issuer}/.well-known/jwks.json`
    const read = KeySet.safeParse(
      parseJson(await this.#read(url, { accept: 'application/json', bytesMax: keySetBytesMax })),
    )
    if (!read.success) throw new StatusUnknownError('list-unreachable', `${url} is no key set`)
    this.#keys = { set: read.data, fetchedAt: this.#now() }
    return read.data
  }

  async #read(url: string, { accept, bytesMax }: { accept: string; bytesMax: number }): Promise<string> {
    try {
      const signal = AbortSignal.timeout(answerMsMax)
      const response = await this.#fetch(url, { headers: { accept }, redirect: 'error', signal })
      if (!response.ok) throw new Error(`it answered ${response.status}`)
      return await textOf(response, bytesMax)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new StatusUnknownError('list-unreachable', `${url} cannot be read: ${why}`, cause)
    }
  }

  #now(): number {
    return this.#clock.now().getTime() / 1000
  }
}

function stale(uri: string, cause?: unknown): StatusUnknownError {
  return new StatusUnknownError('list-stale', `the list at ${uri} is too old; is a cache, or this clock, wrong?`, cause)
}

/** Reads no further than it must. */
async function textOf({ body }: Response, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > bytesMax) throw new Error(`it is larger than ${bytesMax} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
