import type * as contract from '@agent-iam/contract/enrolment-tokens'
import type { EnrolmentTokenId, IdentityId, SessionId } from '@agent-iam/contract/ids'
import { toPublicJwk } from '@agent-iam/standards/ed25519-key'

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
  /** The session that created it, and with which it ends and all that it registered; undefined: it stands by itself. */
  readonly source: SessionId | undefined
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

/** A public key that signs assertions, with the one family of algorithms that it is used with. */
export interface AssertionKey {
  /** RFC 7638. */
  readonly thumbprint: string
  /** What its owner calls it; a header may choose it by this or by its thumbprint. */
  readonly kid: string | undefined
  readonly algorithm: string
  readonly jwk: Readonly<Record<string, unknown>>
}

/** An agent's key as the one that signs its assertions. */
export function assertionKeyOf({ thumbprint, publicKey }: AgentKey): AssertionKey {
  return { thumbprint, kid: undefined, algorithm: 'EdDSA', jwk: { ...toPublicJwk(publicKey) } }
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
