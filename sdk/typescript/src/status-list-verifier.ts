import {
  MalformedStatusListError,
  statusAt,
  type StatusReference,
  statusReferenceOf,
  statusTypes,
} from '@agent-iam/standards/status-list'
import { normaliseServer } from './call.ts'
import { type Clock, systemClock } from './clock.ts'
import { StatusUnknownError } from './errors.ts'
import { StatusListSource, type VerifiedList } from './status-list-source.ts'

export type TokenStatus = 'valid' | 'invalid' | 'suspended'

export interface StatusListOptions {
  /** The `iss` of the tokens: whose lists are believed. */
  readonly issuer: string
  /**
   * What to do while no fresh list can be had: `refuse` says that the status is unknown; `use-last` goes on with the last
   * list until its `exp`, and so may take for valid what was revoked some minutes ago.
   */
  readonly whenUnreachable?: 'refuse' | 'use-last' | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly clock?: Clock | undefined
}

/** Who could not fetch a list tries again no sooner, however many tokens wait to be checked. */
const retrySeconds = 1
/** Lists held at once; the one fetched first goes first. */
const listsMax = 100

/**
 * Tells offline whether a token of an issuer was revoked (OAuth Token Status List): fetches a list once in its `ttl`,
 * however many tokens are checked.
 *
 * It learns of a revocation at most a `ttl`, a minute, late. What must not be late asks the server: by a check, or by
 * introspection.
 *
 * @example
 * const statuses = new StatusListVerifier({ issuer: 'https://iam.example.com' })
 * if ((await statuses.statusOfToken(claims)) !== 'valid') refuse()
 */
export class StatusListVerifier {
  readonly #issuer: string
  readonly #mayUseLast: boolean
  readonly #clock: Clock
  readonly #source: StatusListSource
  readonly #held = new Map<string, VerifiedList>()
  readonly #failed = new Map<string, { readonly error: unknown; readonly until: number }>()
  readonly #fetching = new Map<string, Promise<VerifiedList>>()

  constructor({
    issuer,
    whenUnreachable = 'refuse',
    fetch = globalThis.fetch,
    clock = systemClock,
  }: StatusListOptions) {
    this.#issuer = normaliseServer(issuer)
    this.#mayUseLast = whenUnreachable === 'use-last'
    this.#clock = clock
    this.#source = new StatusListSource({ issuer: this.#issuer, fetch, clock })
  }

  /**
   * The status of a token, by its claims, whose signature the caller has verified. Throws {@link StatusUnknownError}
   * where they name no status, or it cannot be told.
   */
  async statusOfToken(claims: unknown): Promise<TokenStatus> {
    const reference = readReference(claims)
    if (reference) return this.statusOf(reference)
    throw new StatusUnknownError('no-status', 'the token names no status list; ask the server about it instead')
  }

  /** The status at a place in a list. Throws {@link StatusUnknownError} when it cannot be told. */
  async statusOf({ uri, idx }: StatusReference): Promise<TokenStatus> {
    this.#requireOwn(uri)
    const { list } = await this.#listAt(uri)
    try {
      return nameOf(statusAt(list, idx))
    } catch (cause) {
      throw new StatusUnknownError('list-invalid', `the list at ${uri} has no entry ${idx}`, cause)
    }
  }

  /** Only what lies below the issuer: a token must not say where a request goes. */
  #requireOwn(uri: string): void {
    if (uri.startsWith(`${this.#issuer}/`) && URL.canParse(uri) && new URL(uri).href === uri) return
    throw new StatusUnknownError('foreign-list', `${uri} is no list of ${this.#issuer}`)
  }

  async #listAt(uri: string): Promise<VerifiedList> {
    const held = this.#held.get(uri)
    if (held && this.#now() < held.freshUntil) return held
    try {
      return await this.#fetchOnce(uri)
    } catch (error) {
      if (held && this.#mayUseLast && isOutOfReach(error) && this.#now() < held.expiresAt) return held
      throw error
    }
  }

  /** Of many who ask at once, one fetches. */
  async #fetchOnce(uri: string): Promise<VerifiedList> {
    const failed = this.#failed.get(uri)
    if (failed && this.#now() < failed.until) throw failed.error
    const fetching = this.#fetching.get(uri) ?? this.#fetch(uri)
    this.#fetching.set(uri, fetching)
    return fetching
  }

  async #fetch(uri: string): Promise<VerifiedList> {
    try {
      const list = await this.#source.fetchList(uri)
      this.#failed.delete(uri)
      keep(this.#held, uri, list)
      return list
    } catch (error) {
      keep(this.#failed, uri, { error, until: this.#now() + retrySeconds })
      throw error
    } finally {
      this.#fetching.delete(uri)
    }
  }

  #now(): number {
    return this.#clock.now().getTime() / 1000
  }
}

function readReference(claims: unknown): StatusReference | undefined {
  try {
    return statusReferenceOf(claims)
  } catch (error) {
    throw error instanceof MalformedStatusListError ? new StatusUnknownError('no-status', error.message, error) : error
  }
}

/** What this release does not know is nothing good. */
function nameOf(status: number): TokenStatus {
  if (status === statusTypes.valid) return 'valid'
  return status === statusTypes.suspended ? 'suspended' : 'invalid'
}

function isOutOfReach(error: unknown): boolean {
  return error instanceof StatusUnknownError && (error.fault === 'list-unreachable' || error.fault === 'list-stale')
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (oldest !== undefined && map.size > listsMax) map.delete(oldest)
}
