import { errors, Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import { z } from 'zod'
import {
  consumePayload,
  dropPayload,
  dropPayloadsOfGrant,
  keepPayload,
  readPayload,
} from '../../features/clients/service.ts'
import { anonymousRowSeconds, limitSender } from '../../features/credentials/service.ts'
import type { Context } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'

/** What the provider stores is its own; that it is an object is all that is believed of it. */
const Content = z.record(z.string(), z.unknown())

/** How long a row without an end of its own is kept: none should be. */
const endlessSeconds = 86_400

/** The provider's storage: one model of it, in the tenant of the request. */
export class PayloadAdapter implements Adapter {
  readonly #model: string
  readonly #ctx: () => Context

  constructor(model: string, ctx: () => Context) {
    this.#model = model
    this.#ctx = ctx
  }

  async upsert(id: string, content: AdapterPayload, expiresIn = endlessSeconds): Promise<void> {
    const { grantId, userCode, uid } = content
    const names = { grantId, userCode, uid: this.#model === 'Session' ? uid : undefined }
    const isAnonymous = isOfNobody(this.#model, content)
    const seconds = isAnonymous ? Math.min(expiresIn, anonymousRowSeconds) : expiresIn
    const payload = { model: this.#model, id, content, seconds, isAnonymous, ...names }
    const kept = await orUnavailable(() => keepPayload(this.#ctx(), payload))
    // Two proofs with one name came at once, and each was not found; the second is a replay all the same.
    if (!kept && this.#model === 'ReplayDetection') throw new errors.InvalidRequest('the proof was used before')
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return this.#find('id', id)
  }

  /** RFC 8628 §5.1: a code is short, so nobody may try many. */
  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    await orUnavailable(() => limitSender(this.#ctx(), 'device-code'))
    return this.#find('user_code', userCode)
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#find('uid', uid)
  }

  /** The provider looks first whether it was consumed; here it shows who was first. */
  async consume(id: string): Promise<void> {
    if (!(await consumePayload(this.#ctx(), this.#model, id)))
      throw new errors.InvalidGrant('it was used already, so all that came of it is revoked')
  }

  async destroy(id: string): Promise<void> {
    await dropPayload(this.#ctx(), this.#model, id)
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await dropPayloadsOfGrant(this.#ctx(), this.#model, grantId)
  }

  async #find(key: 'id' | 'user_code' | 'uid', value: string): Promise<AdapterPayload | undefined> {
    const found = await readPayload(this.#ctx(), this.#model, key, value)
    if (!found) return undefined
    const consumed = found.consumedAt && Math.floor(found.consumedAt.getTime() / 1000)
    return { ...Content.parse(found.content), ...(consumed !== undefined && { consumed }) }
  }
}

/** What begins before anybody is known. An authorization request is anybody's, whichever client it names. */
const beginnings = new Set(['Interaction', 'PushedAuthorizationRequest', 'DeviceCode', 'Session', 'ReplayDetection'])

/** Whether a request that proves neither a client nor a person brings it about. */
function isOfNobody(model: string, { accountId }: AdapterPayload): boolean {
  if (!beginnings.has(model) || accountId !== undefined) return false
  if (model === 'Interaction' || model === 'Session') return true
  const method = Provider.ctx?.oidc.client?.clientAuthMethod ?? 'none'
  return method === 'none'
}

/** What is refused for its number, as OAuth says it. */
async function orUnavailable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof Problem ? new errors.TemporarilyUnavailable(error.detail) : error
  }
}
