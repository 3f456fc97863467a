import type * as contract from '@agent-iam/contract/api-keys'
import type { ApiKeyId, IdentityId } from '@agent-iam/contract/ids'
import { Problem } from '../../platform/problem.ts'

/** A secret that acts as an identity. What it may do, and whether it works, its session says. */
export interface ApiKey {
  readonly id: ApiKeyId
  readonly name: string
  /** The first characters of the present secret, to tell it by. */
  readonly prefix: string
  /** Who acts with it. */
  readonly identityId: IdentityId
  /** Who made it, and may look after it. */
  readonly owner: IdentityId
  /** What it is narrowed to; undefined: all that the identity holds. */
  readonly scopes: readonly string[] | undefined
  readonly status: 'active' | 'disabled' | 'deleted'
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly lastUsedAt: Date | undefined
}

/** From each status, those that it may change to. */
const transitions: Readonly<Record<ApiKey['status'], readonly ApiKey['status'][]>> = {
  active: ['disabled', 'deleted'],
  disabled: ['active', 'deleted'],
  deleted: [],
}

/** Moves a key to another status, or refuses by naming the one that it has. */
export function changeStatus(key: ApiKey, to: ApiKey['status']): ApiKey {
  if (!transitions[key.status].includes(to)) throw new Problem('wrong-state', `${key.id} is ${key.status}`)
  return { ...key, status: to }
}

/** Refuses to go on with a key that has ended. */
export function requireUnexpired(key: ApiKey, now: Date): void {
  if (key.expiresAt <= now) throw new Problem('wrong-state', `${key.id} has expired; make another`)
}

export function toWire(key: ApiKey, now: Date): contract.ApiKey {
  const isOver = key.status !== 'deleted' && key.expiresAt <= now
  return {
    apiKeyId: key.id,
    name: key.name,
    prefix: key.prefix,
    identityId: key.identityId,
    owner: key.owner,
    scopes: key.scopes === undefined ? null : [...key.scopes],
    status: isOver ? 'expired' : key.status,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt.toISOString(),
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
  }
}
