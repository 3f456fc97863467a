import type { biscuitFaults } from '@agent-iam/contract/biscuits'
import { parseGrant, platformResourceType } from '@agent-iam/contract/capabilities'
import type { IdentityId, SessionId, TenantId } from '@agent-iam/contract/ids'
import type { Right } from '@agent-iam/standards/biscuit/facts'
import type { StatusReference } from '@agent-iam/standards/status-list'
import type { Confirmation } from '../../platform/context.ts'

/** How a session began that a Biscuit presents. */
export const biscuitMethod = 'biscuit'

/** What a transaction leaves for a Biscuit to be made of once it is committed. */
export interface BiscuitGrant {
  readonly tenantId: TenantId
  readonly identityId: IdentityId
  /** Who lends the identity authority. */
  readonly parent: IdentityId | undefined
  readonly taskId: string | undefined
  readonly sessionId: SessionId
  /** Capability entries; labels are left out. */
  readonly rights: readonly string[]
  /** Whether the session is narrowed to its rights: then it reaches of the platform only what they name. */
  readonly isScoped: boolean
  /** No later than the session ends. */
  readonly expiresAt: Date
  readonly confirmation: Confirmation | undefined
  /** The session's place in a status list, which all that is made of it names. */
  readonly statusList: StatusReference
}

/** A Biscuit that is handed out, once. */
export interface MintedBiscuit {
  readonly token: string
  readonly revocationId: string
}

export type BiscuitFault = (typeof biscuitFaults)[number]

/** The audience of our own API (DESIGN D7). */
export function audienceOf(issuer: string): string {
  return `${issuer}/api`
}

/**
 * Whether a text may be a Biscuit: base64url of a message, where a JWT has dots and our other tokens a prefix. It only
 * says which of the two readers is to refuse it.
 */
export function looksLikeBiscuit(token: string): boolean {
  return /^[A-Za-z0-9_-]+={0,2}$/.test(token)
}

/**
 * What the platform itself decides about is in no token's rights. A session that is not narrowed reaches it, whoever
 * asks, and so must its Biscuit, or whoever narrowed that could not even read about itself.
 */
const platformRight: Right = { type: platformResourceType, action: '*' }

/** Entries as the rights of an authority block. */
export function toRights({ rights, isScoped }: Pick<BiscuitGrant, 'rights' | 'isScoped'>): Right[] {
  return [...rights.flatMap((entry) => parseGrant(entry) ?? []), ...(isScoped ? [] : [platformRight])]
}

/** Rights of an authority block as entries. */
export function toEntries(rights: readonly Right[]): string[] {
  return rights.map(
    ({ type, idPattern, action }) => `${type}${idPattern === undefined ? '' : `/${idPattern}`}:${action}`,
  )
}

/** Biscuits count whole seconds; a token that ends a moment sooner than its session harms nobody. */
export function wholeSeconds(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / 1000) * 1000)
}
