import { Secret, TOTP } from 'otpauth'
import type { UserId } from '@agent-iam/contract/ids'
import type { Transaction } from '../../platform/context.ts'
import { fromUuid } from '../../platform/ids.ts'
import type { Random } from '../../platform/random.ts'
import type { SealedColumn } from '../../platform/resealing.ts'

/** RFC 4226 §4 recommends 160 bits: one block of HMAC-SHA-1. */
const secretBytes = 20
const periodSeconds = 30
/** A code of the step before or after is taken as well: phones' clocks differ, and typing takes a while. */
const stepsAround = 1
/** What every authenticator app understands: other algorithms and lengths are read wrongly by some. */
const parameters = { algorithm: 'SHA1', digits: 6, period: periodSeconds }

export function newTotpSecret(random: Random): Buffer {
  return random(secretBytes)
}

/** How the secret gets into an app: typed, or read from a QR code. */
export function describeSecret(secret: Buffer, { issuer, label }: { issuer: string; label: string }) {
  const totp = new TOTP({ ...parameters, issuer, label, secret: toSecret(secret) })
  return { secret: totp.secret.base32, otpauthUri: totp.toString() }
}

/** The library compares bytes, and trips over digits of other scripts. */
const sixDigits = /^[0-9]{6}$/

/** The time step whose code this is, if it is one of those around now. */
export function stepOfCode(secret: Buffer, code: string, now: Date): number | undefined {
  if (!sixDigits.test(code)) return undefined
  const timestamp = now.getTime()
  const delta = TOTP.validate({ ...parameters, secret: toSecret(secret), token: code, timestamp, window: stepsAround })
  return delta === null ? undefined : TOTP.counter({ period: periodSeconds, timestamp }) + delta
}

export function sealTotp(tx: Transaction, userId: UserId, secret: Buffer): Buffer {
  return tx.sealer.seal(secret, placeOf(tx, userId))
}

export function openTotp(tx: Transaction, userId: UserId, sealed: Buffer): Buffer {
  return tx.sealer.open(sealed, placeOf(tx, userId))
}

/** What the master key sealed here. */
export const sealedTotpSecrets: SealedColumn = {
  table: 'totp_factors',
  column: 'secret',
  key: ['identity_id'],
  place: (tenantId, row) => placeOf({ caller: { tenantId } }, fromUuid('user', String(row['identity_id']))),
}

function placeOf({ caller }: { caller: Pick<Transaction['caller'], 'tenantId'> }, userId: UserId): string {
  return `${caller.tenantId} totp_factors.secret ${userId}`
}

function toSecret(bytes: Buffer): Secret {
  return new Secret({ buffer: new Uint8Array(bytes).buffer })
}
