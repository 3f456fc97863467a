import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceId, TenantId } from '@agent-iam/contract/ids'
import { asCaller, inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { Problem } from '../../platform/problem.ts'
import { requireWithin } from '../capabilities/service.ts'
import { tenantOfIdentity } from '../identities/service.ts'
import { requireActive } from '../sessions/model.ts'
import { openSessions, type BulkStart } from '../sessions/service.ts'
import { accessTokenSeconds } from '../tokens/model.ts'
import type { AccessGrant } from '../tokens/service.ts'
import { clientNotProved } from './client.ts'
import { delegationOf } from './delegation.ts'
import type { ClientId } from './model.ts'
import { formatScope } from './scope.ts'
import {
  findClaimedSecrets,
  holdServices,
  type Claim,
  type ClaimedSecret,
  type HeldService,
} from './store/admissions.ts'

/** A service that asks to be let in by its secret. */
export interface Asking extends Claim {
  readonly tenantId: TenantId
  /** The scope that it asks for. */
  readonly asked: readonly string[] | undefined
}

export interface Admitted {
  readonly grant: AccessGrant
  readonly scope: string
}

interface Waiting extends Asking {
  readonly ctx: Context
  readonly settle: (admitted: Admitted) => void
  readonly fail: (error: unknown) => void
}

/** Most services let in by one transaction: it holds them, and the log's head, while it runs. */
const batchMax = 200
/**
 * After a transaction, those who come within so long share the next: a transaction costs as much for one as for twenty,
 * and nobody notices the wait. Who comes when nobody came before does not wait.
 */
const gatherMs = 5
/** Clients whose tenant is remembered: a few megabytes. */
const knownMax = 10_000
/** More waiting than this for one tenant, and the database does not keep up: say so instead of queueing without end. */
const waitingMax = 2_000

/**
 * Lets services in by their secrets, many in a transaction: what arrives while one is on its way goes into the next.
 * Each is judged by itself, and each gets its own session and its own event; who waits is told once they are durable.
 */
export class Admissions {
  readonly #queues = new Map<TenantId, Waiting[]>()
  /** Of clients that were here before: an identity never moves to another tenant. */
  readonly #tenants = new Map<ClientId, TenantId>()

  /** Where a client belongs. Unknown ones belong, as far as anyone can tell, to the default tenant. */
  async tenantOf(ctx: Context, id: ClientId): Promise<TenantId> {
    const found = this.#tenants.get(id) ?? (await tenantOfIdentity(ctx, id))
    const tenantId = found ?? ctx.keys.tenantOf(ctx.keys.publicUrl)
    if (!tenantId) throw new Error('there is no default tenant')
    if (this.#tenants.size >= knownMax) this.#tenants.clear()
    if (found) this.#tenants.set(id, found)
    return tenantId
  }

  /** Whether the tenant of the client was found. */
  isKnown(id: ClientId): boolean {
    return this.#tenants.has(id)
  }

  /** Throws `invalid-credentials`, `identity-inactive` or `capability-exceeded` for a service that is not let in. */
  admit(ctx: Context, asking: Asking): Promise<Admitted> {
    return new Promise((settle, fail) => {
      const waiting = { ...asking, ctx, settle, fail }
      const queue = this.#queues.get(asking.tenantId)
      if (queue && queue.length >= waitingMax)
        return fail(new Problem('unavailable', 'too many tokens are asked for at once; try again shortly'))
      if (queue) queue.push(waiting)
      else void this.#start(waiting)
    })
  }

  /** One transaction at a time for a tenant: the head of its log is one row, so two would only wait for each other. */
  async #start(first: Waiting): Promise<void> {
    const queue = [first]
    this.#queues.set(first.tenantId, queue)
    while (queue.length > 0) {
      await admitBatch(queue.splice(0, batchMax))
      await sleep(gatherMs)
    }
    this.#queues.delete(first.tenantId)
  }
}

async function admitBatch(batch: readonly Waiting[]): Promise<void> {
  const [first] = batch
  if (!first) return
  try {
    const inTenant = asCaller(first.ctx, { kind: 'system', tenantId: first.tenantId, address: '' })
    const outcomes = await inTransaction(inTenant, (tx) => admitAll(tx, batch))
    for (const [place, { settle, fail }] of batch.entries()) {
      const outcome = outcomes[place]
      if (outcome && 'grant' in outcome) settle(outcome)
      else fail(outcome)
    }
  } catch (error) {
    for (const { fail } of batch) fail(error)
  }
}

type Outcome = Admitted | Problem

async function admitAll(tx: Transaction, batch: readonly Waiting[]): Promise<Outcome[]> {
  const secrets = await findClaimedSecrets(tx, batch)
  const proved = new Set(batch.filter((_, place) => secrets.has(place)).map(({ id }) => id))
  const services = proved.size > 0 ? await holdServices(tx, [...proved]) : new Map<ServiceId, HeldService>()
  const now = tx.clock.now()
  const judged = batch.map((each, place) =>
    judge(each, { service: services.get(each.id), secret: secrets.get(place), now }),
  )
  const starts = judged.filter((each): each is Start => !(each instanceof Problem))
  const grants = starts.length > 0 ? await openSessions(tx, starts) : []
  const granted = new Map(starts.map((start, place) => [start, grants[place]]))
  return judged.map((each) => {
    if (each instanceof Problem) return each
    const grant = granted.get(each)
    if (!grant) throw new Error('every session that was begun has a grant')
    return { grant, scope: each.shownScope }
  })
}

interface Start extends BulkStart {
  readonly shownScope: string
}

interface Evidence {
  readonly service: HeldService | undefined
  readonly secret: ClaimedSecret | undefined
  readonly now: Date
}

/** Whether the client may act is told only to who proved to be it. What it proved may have ended until it was held. */
function judge({ id, asked, ctx }: Waiting, { service, secret, now }: Evidence): Start | Problem {
  if (!service || !secret || !service.liveSecrets.includes(secret.id)) return clientNotProved()
  try {
    requireActive(service, now)
    const held = service.entries
    requireWithin(asked ?? [], held, 'what the client holds')
    const scope = asked ?? (service.defaultScopes.length > 0 ? service.defaultScopes : undefined)
    const { requestId, traceId, caller } = ctx
    return {
      identityId: id,
      method: 'client-secret',
      scope,
      credential: secret.id,
      ...delegationOf(id, secret),
      seconds: accessTokenSeconds,
      request: { requestId, traceId },
      address: caller.address,
      shownScope: formatScope(scope ?? held),
    }
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}
