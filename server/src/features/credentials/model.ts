import type * as contract from '@agent-iam/contract/enrolment-tokens'
import type { EnrolmentTokenId, IdentityId } from '@agent-iam/contract/ids'

/** A secret that registers agents, within its ceiling, quota and time. Only the digest of the secret is kept. */
export interface EnrolmentToken {
  readonly id: EnrolmentTokenId
  readonly name: string
  /** Who answers for the agents that it registers. */
  readonly owner: IdentityId
  /** Agent types it may register; empty: any. */
  readonly allowedTypes: readonly string[]
  readonly ceiling: readonly string[]
  readonly quota: number
  readonly used: number
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly revokedAt: Date | undefined
}

export const enrolmentTokenPrefix = 'enr_'

/** Whether the token may be presented at all; its quota is checked by the row that it is spent from. */
export function isUsable(token: EnrolmentToken, now: Date): boolean {
  return token.revokedAt === undefined && token.expiresAt > now
}

export interface AgentKey {
  /** RFC 7638; unique in the tenant. */
  readonly thumbprint: string
  /** 32 raw bytes of Ed25519. */
  readonly publicKey: Buffer
}

/** The token as the API shows it: never its secret. */
export function toWire({ id, ...token }: EnrolmentToken): contract.EnrolmentToken {
  return {
    enrolmentTokenId: id,
    name: token.name,
    owner: token.owner,
    allowedTypes: [...token.allowedTypes],
    ceiling: [...token.ceiling],
    quota: token.quota,
    used: token.used,
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt.toISOString(),
    revokedAt: token.revokedAt?.toISOString() ?? null,
  }
}
