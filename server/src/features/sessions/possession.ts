import type { IdentityId } from '@agent-iam/contract/ids'
import type { Confirmation, Transaction } from '../../platform/context.ts'
import { sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { insertNonce } from '../credentials/service.ts'
import { lockIdentity } from '../identities/service.ts'
import { recordEnd } from './ending.ts'
import { endSession } from './store.ts'
import { listBoundSessions } from './store/binding.ts'

/** The key that a new session is bound to: that of the DPoP proof which came with the login, if one did. */
export async function boundKey(tx: Transaction): Promise<Confirmation | undefined> {
  const { dpop } = tx.caller
  if (!dpop) return undefined
  if (dpop.tokenDigest !== undefined)
    throw new Problem('invalid-proof', 'there is no access token here, so the DPoP proof must have no ath')
  await spendProof(tx)
  return { jkt: dpop.thumbprint }
}

/**
 * Throws unless the request shows the key that an access token is bound to (RFC 9449 §7, RFC 8705 §3). A token that is
 * bound to none must not come with a proof: its sender would think it safe.
 */
export async function requirePossession(
  tx: Transaction,
  confirmation: Confirmation | undefined,
  accessToken: string,
): Promise<void> {
  const { dpop } = tx.caller
  requireKey(tx, confirmation)
  if (!dpop) return
  if (dpop.tokenDigest !== sha256(accessToken).toString('base64url'))
    throw new Problem('invalid-proof', 'the DPoP proof needs an ath of the access token that it comes with')
  await spendProof(tx)
}

/** The same for a refresh token. One that is bound to no key yet is bound to that of the proof; tells to which it is. */
export async function requireOrBind(
  tx: Transaction,
  confirmation: Confirmation | undefined,
): Promise<Confirmation | undefined> {
  if (confirmation) requireKey(tx, confirmation)
  return (await boundKey(tx)) ?? confirmation
}

/** Ends the sessions of an identity whose tokens are bound to a key that is no longer to be trusted. */
export async function endBoundSessions(
  tx: Transaction,
  identityId: IdentityId,
  confirmation: Confirmation,
  reason: string,
): Promise<void> {
  await lockIdentity(tx, identityId)
  for (const id of await listBoundSessions(tx, identityId, confirmation))
    if (await endSession(tx, id, reason)) recordEnd(tx, id, { identityId, reason })
}

function requireKey({ caller }: Transaction, confirmation: Confirmation | undefined): void {
  if (confirmation && 'x5t#S256' in confirmation) {
    if (caller.certificateThumbprint !== confirmation['x5t#S256'])
      throw notShown('to a certificate: use it on a connection that shows that certificate')
    if (caller.dpop) throw notShown('to a certificate, and to no other key')
  } else if (confirmation && caller.dpop?.thumbprint !== confirmation.jkt)
    throw notShown('to a key: send it as Authorization: DPoP … with a proof by that key in the header DPoP')
  else if (!confirmation && caller.dpop) throw notShown('to no key: send it as Authorization: Bearer …')
}

function notShown(what: string): Problem {
  return new Problem('invalid-token', `the token is bound ${what}`)
}

/** RFC 9449 §11.1: a proof is good once. The key is part of it, so that nobody uses up another's `jti`. */
async function spendProof(tx: Transaction): Promise<void> {
  const { dpop } = tx.caller
  if (!dpop) return
  const nonce = sha256(`${dpop.thumbprint} ${dpop.jti}`).toString('base64url')
  if (await insertNonce(tx, 'dpop', nonce, dpop.expiresAt)) return
  throw new Problem('replayed', 'this DPoP proof was used before; make a new one')
}
