import type { TenantId } from '@agent-iam/contract/ids'
import { encodeStatusList, packStatuses, statusListType, statusTypes } from '@agent-iam/standards/status-list'
import { addSeconds } from '../../platform/clock.ts'
import { inTransaction, type Context } from '../../platform/context.ts'
import { notFound } from '../../platform/problem.ts'
import {
  statusListBits,
  statusListSeconds,
  statusListTtlSeconds,
  statusListUri,
  type ListedStatuses,
  type StatusList,
  type StatusListId,
} from './model.ts'
import { findList, readStatuses } from './store.ts'

/** Lists held at once; the one made first goes first. One of a busy tenant is some tens of kilobytes. */
const listsMax = 200
/**
 * Strangers may ask: so a list is made no oftener than each second, and one that takes long no oftener than a tenth of
 * the time goes into it; but it is never so old that little of its `ttl` is left.
 */
const keptSeconds = 1
const restPerWork = 9
const keptSecondsMax = statusListTtlSeconds / 4

type Key = `${TenantId}/${StatusListId}`

interface Held {
  readonly token: Promise<string>
  /** Undefined as long as it is being made: who asks meanwhile waits for it. */
  freshUntil: Date | undefined
}

/** Makes the tenants' status lists when they are asked for, and holds each for a moment. */
export class StatusListPublisher {
  readonly #held = new Map<Key, Held>()

  /** The signed list of the caller's tenant. Throws `not-found`. */
  async publish(ctx: Context, id: StatusListId): Promise<string> {
    const key = `${ctx.caller.tenantId}/${id}` as const
    const held = this.#fresh(ctx, key)
    if (held) return held.token
    // First, so that no guess of a stranger's takes the place of a list that is held.
    const list = await requireList(ctx, id)
    return this.#fresh(ctx, key)?.token ?? this.#begin(ctx, key, list)
  }

  #fresh(ctx: Context, key: Key): Held | undefined {
    const held = this.#held.get(key)
    return held && (!held.freshUntil || ctx.clock.now() < held.freshUntil) ? held : undefined
  }

  async #begin(ctx: Context, key: Key, list: StatusList): Promise<string> {
    const making: Held = { token: make(ctx, list), freshUntil: undefined }
    this.#hold(key, making)
    const began = ctx.clock.now()
    try {
      return await making.token
    } catch (error) {
      if (this.#held.get(key) === making) this.#held.delete(key)
      throw error
    } finally {
      making.freshUntil = addSeconds(ctx.clock.now(), restSeconds(began, ctx.clock.now()))
    }
  }

  #hold(key: Key, held: Held): void {
    const [oldest] = this.#held.keys()
    this.#held.delete(key)
    if (oldest !== undefined && this.#held.size >= listsMax) this.#held.delete(oldest)
    this.#held.set(key, held)
  }
}

async function requireList(ctx: Context, id: StatusListId): Promise<StatusList> {
  const list = await inTransaction(ctx, (tx) => findList(tx, id))
  if (!list) throw notFound('status-list', id)
  return list
}

async function make(ctx: Context, list: StatusList): Promise<string> {
  const at = ctx.clock.now()
  const statuses = await inTransaction(ctx, (tx) => readStatuses(tx, list.id, at))
  return sign(ctx, { list, statuses, at })
}

function restSeconds(began: Date, ended: Date): number {
  const rest = ((ended.getTime() - began.getTime()) / 1000) * restPerWork
  return Math.min(Math.max(keptSeconds, rest), keptSecondsMax)
}

interface Made {
  readonly list: StatusList
  readonly statuses: ListedStatuses
  /** The moment that it tells of. */
  readonly at: Date
}

async function sign(ctx: Context, { list, statuses, at }: Made): Promise<string> {
  const { tenantId } = ctx.caller
  const issuer = ctx.keys.issuerOf(tenantId)
  const packed = packStatuses(statusListBits, list.capacity, entriesOf(statuses))
  // Rounded down: it is never believed for longer than its ttl after the moment that it tells of.
  const iat = Math.floor(at.getTime() / 1000)
  return ctx.keys.signJwt(
    tenantId,
    { typ: statusListType },
    {
      iss: issuer,
      sub: statusListUri(issuer, list.id),
      iat,
      exp: iat + statusListSeconds,
      ttl: statusListTtlSeconds,
      status_list: { ...(await encodeStatusList(packed)), aggregation_uri: `${issuer}/status-lists` },
    },
  )
}

function* entriesOf({ invalid, suspended }: ListedStatuses): Generator<readonly [number, number]> {
  for (const idx of invalid) yield [idx, statusTypes.invalid]
  for (const idx of suspended) yield [idx, statusTypes.suspended]
}
