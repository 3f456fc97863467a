import type * as contract from '@agent-iam/contract/factors'
import type { PasskeyId, UserId } from '@agent-iam/contract/ids'
import { Problem } from '../../platform/problem.ts'

/** A passkey as we keep it: its public half, and how often its authenticator said it was used. */
export interface Passkey {
  readonly id: PasskeyId
  readonly userId: UserId
  /** What the authenticator calls it; base64url. */
  readonly credentialId: string
  /** COSE_Key (RFC 9052 §7). */
  readonly publicKey: Buffer
  /** Stays at 0 with keys that are kept in sync between devices. */
  readonly counter: number
  readonly name: string
  readonly isSynced: boolean
  readonly createdAt: Date
  readonly lastUsedAt: Date | undefined
}

/** The secret of an authenticator app, still sealed. */
export interface TotpFactor {
  readonly secret: Buffer
  readonly createdAt: Date
  readonly confirmedAt: Date | undefined
  readonly lastStep: number
}

/** Everything beside the password that proves a person. */
export interface Factors {
  readonly totp: TotpFactor | undefined
  readonly passkeys: readonly Passkey[]
  readonly recoveryCodesLeft: number
}

/** How a second factor may be proved. */
export type FactorKind = 'totp' | 'passkey' | 'recovery'

/** What the person could prove, so what a login asks for; empty where nothing is enrolled. */
export function kindsOf({ totp, passkeys, recoveryCodesLeft }: Factors): FactorKind[] {
  const kinds: FactorKind[] = []
  if (totp?.confirmedAt) kinds.push('totp')
  if (passkeys.length > 0) kinds.push('passkey')
  // Codes alone are no factor: they stand in for one that was lost.
  if (kinds.length > 0 && recoveryCodesLeft > 0) kinds.push('recovery')
  return kinds
}

/** A secret that nobody confirmed is forgotten: the app that was to hold it may be anybody's. */
export const totpEnrolmentSeconds = 900

/** The narrowing of a session that is good for nothing but to enrol a factor. */
export const enrolmentScope = ['agent-iam/own-factors:*'] as const
/** Long enough to find the phone. */
export const enrolmentSessionSeconds = 900

/** The same words for a code that is wrong, used before, or of another. */
export function factorRefused(): Problem {
  return new Problem('invalid-credentials', 'the second factor is not valid; use a fresh code, or another factor')
}

/** The passkey as the API shows it. */
export function toWire({ id, name, isSynced, createdAt, lastUsedAt }: Passkey): contract.Passkey {
  return {
    passkeyId: id,
    name,
    isSynced,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  }
}
