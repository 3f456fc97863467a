import type { PasskeyAssertion } from '@agent-iam/contract/factors'
import type { PasskeyId, UserId } from '@agent-iam/contract/ids'
import { z } from 'zod'
import { inTransaction, type Context } from '../../platform/context.ts'
import { fromUuid, toUuid } from '../../platform/ids.ts'
import { insertNonce } from '../credentials/service.ts'
import { makePasskeyChallenge, readPasskeyChallenge } from './challenge.ts'
import { spending, type FactorUse } from './spending.ts'
import { advancePasskey, findPasskeyByCredential } from './store/passkeys.ts'
import { relyingParty, timeoutMs, verifyAssertion } from './webauthn.ts'

/** What a browser needs to ask its person for a passkey. It names none, so nobody learns who has one. */
export function passkeyRequestOptions(ctx: Context) {
  const { challenge, expiresAt } = makePasskeyChallenge(ctx, 'login')
  const options = {
    challenge: challenge.toString('base64url'),
    rpId: relyingParty(ctx).id,
    timeout: timeoutMs,
    userVerification: 'required' as const,
  }
  return { options, expiresAt }
}

/**
 * The passkey of this person that the answer is by, if it is one, to a challenge of ours that was not answered before. Its person was
 * verified by the authenticator, so it is two factors in one.
 */
export async function provePasskey(
  ctx: Context,
  userId: UserId,
  answer: PasskeyAssertion,
  use: FactorUse = 'spend',
): Promise<PasskeyId | undefined> {
  const text = challengeIn(answer.response.clientDataJSON)
  const challenge = readPasskeyChallenge(ctx, 'login', text)
  const claimed = userOfPasskey(answer)
  if (!challenge || (claimed !== undefined && claimed !== userId)) return undefined
  const passkey = await inTransaction(ctx, (tx) => findPasskeyByCredential(tx, userId, answer.id))
  const counter = passkey && (await verifyAssertion(ctx, answer, { passkey, challenge: text }))
  if (!passkey || counter === undefined) return undefined
  const isSpent = await spending(ctx, use, async (tx) => {
    if (!(await insertNonce(tx, 'passkey', challenge.nonce, challenge.expiresAt))) return false
    return advancePasskey(tx, passkey.id, counter)
  })
  return isSpent ? passkey.id : undefined
}

const uuidBytes = 16

/** How a passkey names its person: by bytes that mean nothing to anybody else (WebAuthn §14.6.1). */
export function userHandle(userId: UserId): string {
  return Buffer.from(toUuid(userId).replaceAll('-', ''), 'hex').toString('base64url')
}

/** Whose passkey it says it is. */
export function userOfPasskey({ response }: PasskeyAssertion): UserId | undefined {
  const bytes = Buffer.from(response.userHandle ?? '', 'base64url')
  return bytes.length === uuidBytes ? fromUuid('user', bytes.toString('hex')) : undefined
}

const ClientData = z.object({ challenge: z.string() })

/** The challenge that the browser says it was given; empty when it says nothing readable. */
export function challengeIn(clientDataJSON: string): string {
  try {
    return ClientData.parse(JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString())).challenge
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return ''
    throw error
  }
}
