import { passkeysMax, type FreshProof, type PasskeyRegistration } from '@agent-iam/contract/factors'
import type { PasskeyId, UserId } from '@agent-iam/contract/ids'
import { inTransaction, type Context, type Transaction } from '../../platform/context.ts'
import { notFound, Problem } from '../../platform/problem.ts'
import { insertNonce } from '../credentials/service.ts'
import { findUser, lockIdentity } from '../identities/service.ts'
import { makePasskeyChallenge, readPasskeyChallenge, type ChallengePurpose } from './challenge.ts'
import { recordEnrolled, recordRemoved, recordRenamed } from './first-and-last.ts'
import { requireFreshProof, requirePerson, type Person } from './fresh-proof.ts'
import { readFactors } from './held.ts'
import type { Passkey } from './model.ts'
import { challengeIn, userHandle } from './passkey-proof.ts'
import { deletePasskey, findPasskey, insertPasskey, listPasskeys, updatePasskeyName } from './store/passkeys.ts'
import { algorithms, relyingParty, timeoutMs, verifyRegistration, type NewCredential } from './webauthn.ts'

/** What a browser needs to make a passkey for the caller. The fresh proof lives on in the challenge. */
export async function passkeyCreationOptions(ctx: Context, proof: FreshProof) {
  const person = requirePerson(ctx.caller, 'update')
  await requireFreshProof(ctx, person.userId, proof)
  const { user, passkeys } = await inTransaction(ctx, async (tx) => ({
    user: await findUser(tx, person.userId),
    passkeys: await listPasskeys(tx, person.userId),
  }))
  requireRoom(passkeys)
  const name = user?.email ?? person.userId
  const key = { type: 'public-key' as const }
  return {
    challenge: makePasskeyChallenge(ctx, purposeOf(person)).challenge.toString('base64url'),
    rp: { id: relyingParty(ctx).id, name: 'Agent IAM' },
    user: { id: userHandle(person.userId), name, displayName: user?.name ?? name },
    pubKeyCredParams: algorithms.map((alg) => ({ ...key, alg })),
    timeout: timeoutMs,
    excludeCredentials: passkeys.map(({ credentialId }) => ({ ...key, id: credentialId })),
    ...chosenAuthenticators,
  }
}

/** Keys that find their person by themselves and verify them, so that one alone is a login; of no known make. */
const chosenAuthenticators = {
  authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
  attestation: 'none',
} as const

export interface Registered {
  readonly passkey: Passkey
  /** Only with the first factor. */
  readonly recoveryCodes: readonly string[] | undefined
}

/** Registers the passkey that the browser made with the options of this session. */
export async function registerPasskey(
  ctx: Context,
  { name, response }: { name: string; response: PasskeyRegistration },
): Promise<Registered> {
  const person = requirePerson(ctx.caller, 'update')
  const text = challengeIn(response.response.clientDataJSON)
  const challenge = readPasskeyChallenge(ctx, purposeOf(person), text)
  const made = challenge && (await verifyRegistration(ctx, response, text))
  if (!challenge || !made) throw new Problem('invalid-credentials', 'the passkey is not valid here; begin again')
  return inTransaction(ctx, async (tx) => {
    if (!(await insertNonce(tx, 'passkey', challenge.nonce, challenge.expiresAt)))
      throw new Problem('replayed', 'these options were used before; begin again')
    return keepPasskey(tx, person.userId, { name, made })
  })
}

export async function renamePasskey(ctx: Context, id: PasskeyId, name: string): Promise<Passkey> {
  const { userId } = requirePerson(ctx.caller, 'update')
  return inTransaction(ctx, async (tx) => {
    const passkey = await requirePasskey(tx, userId, id)
    await updatePasskeyName(tx, id, name)
    recordRenamed(tx, userId, { kind: 'passkey', id, name })
    return { ...passkey, name }
  })
}

export async function removePasskey(ctx: Context, id: PasskeyId, proof: FreshProof): Promise<void> {
  const { userId } = requirePerson(ctx.caller, 'update')
  await inTransaction(ctx, (tx) => requirePasskey(tx, userId, id))
  await requireFreshProof(ctx, userId, proof)
  await inTransaction(ctx, async (tx) => {
    await lockIdentity(tx, userId)
    const { name } = await requirePasskey(tx, userId, id)
    await deletePasskey(tx, userId, id)
    await recordRemoved(tx, userId, { kind: 'passkey', id, name })
  })
}

async function keepPasskey(
  tx: Transaction,
  userId: UserId,
  { name, made }: { name: string; made: NewCredential },
): Promise<Registered> {
  await lockIdentity(tx, userId)
  const before = await readFactors(tx, userId)
  requireRoom(before.passkeys)
  const id = tx.newId('passkey')
  const passkey: Passkey = { ...made, id, userId, name, createdAt: tx.clock.now(), lastUsedAt: undefined }
  if (!(await insertPasskey(tx, passkey))) throw new Problem('already-exists', 'this passkey is registered already')
  return { passkey, recoveryCodes: await recordEnrolled(tx, userId, { before, factor: { kind: 'passkey', id, name } }) }
}

async function requirePasskey(tx: Transaction, userId: UserId, id: PasskeyId): Promise<Passkey> {
  const passkey = await findPasskey(tx, userId, id)
  if (!passkey) throw notFound('passkeys', id)
  return passkey
}

function requireRoom(passkeys: readonly Passkey[]): void {
  if (passkeys.length >= passkeysMax)
    throw new Problem('wrong-state', `there are ${passkeysMax} passkeys already; remove one first`)
}

/** The session is part of it: what one begins, no other ends. */
function purposeOf({ tenantId, userId, sessionId }: Person): ChallengePurpose {
  return `register ${tenantId} ${userId} ${sessionId}`
}
