import { biscuitKeys, biscuitRevocations } from '@agent-iam/contract/biscuits'
import { attenuate, type Restriction, seal } from '@agent-iam/standards/biscuit/attenuate'
import { authorize, type BiscuitAnswer, type BiscuitQuestion } from '@agent-iam/standards/biscuit/authorize'
import { BiscuitError } from '@agent-iam/standards/biscuit/errors'
import type { BiscuitLibrary } from '@agent-iam/standards/biscuit/library'
import type { PublicKeyOf } from '@agent-iam/standards/biscuit/token'
import { type VerifiedBiscuit, verify } from '@agent-iam/standards/biscuit/verify'
import { readBiscuitLibrary } from './biscuit-library.ts'
import { call, normaliseServer } from './call.ts'
import { type Clock, systemClock } from './clock.ts'
import { StatusUnknownError, UnexpectedAnswerError } from './errors.ts'
import { KeptAnswer } from './kept-answer.ts'
import type { StatusListVerifier, TokenStatus } from './status-list-verifier.ts'

/** What an issuer publishes about its Biscuits, for whoever cannot fetch it. */
export interface PublishedBiscuits {
  readonly keys: readonly { readonly rootKeyId: number; readonly publicKey: string }[]
  readonly revocationIds: readonly string[]
}

export interface BiscuitsOptions {
  /** Whose Biscuits: the server's address, or a tenant's `https://iam.example.com/t/ten_…`. */
  readonly issuer: string
  /** Believe this, and fetch nothing. */
  readonly published?: PublishedBiscuits | undefined
  /**
   * Asks the issuer's status lists too, and lets nobody in by a token that names no place in one. They tell who was
   * suspended from who was revoked, and speak for the session alone: blocks that were revoked are only in the revocations.
   */
  readonly statuses?: StatusListVerifier | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly clock?: Clock | undefined
}

/** What is asked of a Biscuit; the time is now. */
export type BiscuitRequest = Pick<BiscuitQuestion, 'operation' | 'resource' | 'audience' | 'confirmation'>

/** A root key that the issuer withdrew is believed no longer than this. */
const keysSeconds = 300
/** A token may name a key that came after ours were fetched; so often at most they are fetched for that. */
const keysRetrySeconds = 10
/** A revocation is learned of at most this late: what the issuer asks of those who keep its answer. */
const revocationsSeconds = 5

/**
 * Biscuits of one issuer, narrowed and decided about on this machine: the issuer is asked for its keys and for what it
 * revoked, never about a token.
 *
 * @example
 * const biscuits = new Biscuits({ issuer: 'https://iam.example.com' })
 * const forHelper = await biscuits.attenuate(token, { operations: ['read'], resourcePrefix: 'file/docs/' })
 * const answer = await biscuits.authorize(forHelper, { operation: 'read', resource: 'file/docs/a', audience })
 * if (answer.type !== 'allowed') refuse()
 */
export class Biscuits {
  readonly #issuer: string
  readonly #clock: Clock
  readonly #statuses: StatusListVerifier | undefined
  readonly #keys: KeptAnswer<ReadonlyMap<number, string>>
  readonly #revoked: KeptAnswer<ReadonlySet<string>>
  #library: Promise<BiscuitLibrary> | undefined

  constructor({ issuer, published, statuses, fetch, clock = systemClock }: BiscuitsOptions) {
    this.#issuer = normaliseServer(issuer)
    this.#clock = clock
    this.#statuses = statuses
    const connection = { server: this.#issuer, fetch }
    const fetchKeys = async () => this.#own(await call(connection, biscuitKeys))
    const fetchRevoked = async () => this.#own(await call(connection, biscuitRevocations))
    this.#keys = new KeptAnswer(async () => keysById((published ?? (await fetchKeys())).keys), clock)
    this.#revoked = new KeptAnswer(async () => new Set((published ?? (await fetchRevoked())).revocationIds), clock)
  }

  /**
   * Verifies the signatures, and reads what the issuer said and which blocks there are. Neither expiry nor revocation
   * nor any check is looked at: to let somebody in, `authorize`.
   */
  async verify(token: string): Promise<VerifiedBiscuit> {
    return this.#withKeys(keysSeconds, (library, publicKeyOf) => this.#verified(library, token, publicKeyOf))
  }

  /** A token that can do less. Hand that on, and keep yours. */
  async attenuate(token: string, restriction: Restriction): Promise<string> {
    return this.#withKeys(Infinity, (library, publicKeyOf) => attenuate(library, token, publicKeyOf, restriction))
  }

  /** The same token, that nobody can narrow further. */
  async seal(token: string): Promise<string> {
    return this.#withKeys(Infinity, (library, publicKeyOf) => seal(library, token, publicKeyOf))
  }

  /**
   * Whether the token allows this, now. A token that is bound to a key allows nothing without `confirmation`: the key
   * that its presenter has proved to hold, which is the caller's to check.
   *
   * Rejects where keys or revocations cannot be had, with a `StatusUnknownError` where a status was to be looked up and
   * cannot be told, and with a `BiscuitError` for what is no Biscuit of this issuer.
   *
   * NOTE: blocks are programs of whoever held the token. Limits hold between rounds of evaluation only, so that a
   * hostile token can keep this thread for seconds: decide about strangers' tokens in a worker that can be ended.
   */
  async authorize(token: string, request: BiscuitRequest): Promise<BiscuitAnswer> {
    const revoked = await this.#revoked.get(revocationsSeconds)
    const status = await this.#statusOf(await this.verify(token))
    if (status !== 'valid') return { type: 'denied', failed: [`status: ${status}`] }
    return this.#withKeys(keysSeconds, (library, publicKeyOf) => {
      const isRevoked = (id: string) => revoked.has(id)
      return authorize(library, token, publicKeyOf, { ...request, time: this.#clock.now(), isRevoked })
    })
  }

  async #statusOf({ facts: { statusList } }: VerifiedBiscuit): Promise<TokenStatus> {
    if (!this.#statuses) return 'valid'
    if (statusList) return this.#statuses.statusOf(statusList)
    throw new StatusUnknownError('no-status', 'the Biscuit names no status list; ask the server about it instead')
  }

  #verified(library: BiscuitLibrary, token: string, publicKeyOf: PublicKeyOf): VerifiedBiscuit {
    const verified = verify(library, token, publicKeyOf)
    if (verified.facts.issuer === this.#issuer) return verified
    throw new BiscuitError('unexpected-authority', `the token is not of ${this.#issuer}`)
  }

  async #withKeys<T>(secondsMax: number, work: (library: BiscuitLibrary, publicKeyOf: PublicKeyOf) => T): Promise<T> {
    this.#library ??= readBiscuitLibrary()
    const [library, keys] = await Promise.all([this.#library, this.#keys.get(secondsMax)])
    try {
      return work(library, (id) => keys.get(id))
    } catch (error) {
      if (!(error instanceof BiscuitError) || error.code !== 'unknown-root-key') throw error
    }
    const later = await this.#keys.get(keysRetrySeconds)
    return work(library, (id) => later.get(id))
  }

  #own<Answer extends { readonly issuer: string }>(answer: Answer): Answer {
    if (answer.issuer === this.#issuer) return answer
    throw new UnexpectedAnswerError(this.#issuer, 200, new Error(`it speaks for ${answer.issuer}`))
  }
}

function keysById(keys: PublishedBiscuits['keys']): ReadonlyMap<number, string> {
  return new Map(keys.map(({ rootKeyId, publicKey }) => [rootKeyId, publicKey]))
}
