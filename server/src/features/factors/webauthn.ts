/**
 * Passkeys as WebAuthn (level 3) has them, by a library that reads their hostile bytes. It is large, so it is loaded
 * with the first passkey. NOTE: the library throws one kind of error for whatever it refuses, a malformed answer as well
 * as a forged one; its text is not repeated to anybody.
 */
import type { PasskeyAssertion, PasskeyRegistration } from '@agent-iam/contract/factors'
import type { Context } from '../../platform/context.ts'
import { refusalOf } from '../../platform/public-keys.ts'
import { passkeyChallengeSeconds } from './challenge.ts'
import { jwkOfCose } from './cose-key.ts'
import type { Passkey } from './model.ts'

/** EdDSA, ES256, RS256: what browsers and keys offer. */
export const algorithms = [-8, -7, -257]

/** The relying party is the host that people log in at; every tenant's passkeys are of the same. */
export function relyingParty({ keys }: Pick<Context, 'keys'>): { id: string; origin: string } {
  const { hostname, origin } = new URL(keys.publicUrl)
  return { id: hostname, origin }
}

export const timeoutMs = passkeyChallengeSeconds * 1000

export interface NewCredential {
  readonly credentialId: string
  readonly publicKey: Buffer
  readonly counter: number
  readonly isSynced: boolean
}

type World = Pick<Context, 'keys'>

/** What the browser made, checked; undefined when anything about it is wrong. That the challenge is ours, was seen. */
export async function verifyRegistration(
  ctx: World,
  { response, ...rest }: PasskeyRegistration,
  challenge: string,
): Promise<NewCredential | undefined> {
  const { verifyRegistrationResponse } = await import('@simplewebauthn/server')
  if (!(await isAnonymous(response.attestationObject))) return undefined
  const { id, origin } = relyingParty(ctx)
  const verified = await orUndefined(() =>
    verifyRegistrationResponse({
      response: { ...rest, response, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: id,
      requireUserVerification: true,
      supportedAlgorithmIDs: algorithms,
    }),
  )
  if (!verified?.registrationInfo) return undefined
  const { credential, credentialDeviceType } = verified.registrationInfo
  if (!(await hasAcceptedKey(credential.publicKey))) return undefined
  return {
    credentialId: credential.id,
    publicKey: Buffer.from(credential.publicKey),
    counter: credential.counter,
    isSynced: credentialDeviceType === 'multiDevice',
  }
}

/** The new counter of a passkey that answered our challenge at our origin, its person verified; else undefined. */
export async function verifyAssertion(
  ctx: World,
  { response, ...rest }: PasskeyAssertion,
  { passkey, challenge }: { passkey: Passkey; challenge: string },
): Promise<number | undefined> {
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
  if (!(await hasAcceptedKey(passkey.publicKey))) return undefined
  const { clientDataJSON, authenticatorData, signature } = response
  const { id, origin } = relyingParty(ctx)
  const verified = await orUndefined(() =>
    verifyAuthenticationResponse({
      response: { ...rest, response: { clientDataJSON, authenticatorData, signature }, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: id,
      requireUserVerification: true,
      credential: {
        id: passkey.credentialId,
        publicKey: new Uint8Array(passkey.publicKey),
        counter: passkey.counter,
      },
    }),
  )
  return verified?.verified ? verified.authenticationInfo.newCounter : undefined
}

/**
 * Whether it holds no certificates. We ask for none, and browsers leave them out; the library would follow the
 * addresses in them to revocation lists, and nobody may send us anywhere.
 */
async function isAnonymous(attestationObject: string): Promise<boolean> {
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers')
  const isKnown = await orUndefined(() => {
    const decoded = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, 'base64url')))
    const isSelfSigned = decoded.get('fmt') === 'packed' && decoded.get('attStmt').get('x5c') === undefined
    return Promise.resolve(isSelfSigned || decoded.get('fmt') === 'none')
  })
  return isKnown === true
}

/** The gate of every public key; asked at each use as well, for those that an earlier release stored. */
async function hasAcceptedKey(publicKey: Uint8Array): Promise<boolean> {
  const { decodeCredentialPublicKey } = await import('@simplewebauthn/server/helpers')
  const cose: unknown = await orUndefined(() => Promise.resolve(decodeCredentialPublicKey(new Uint8Array(publicKey))))
  const jwk = cose instanceof Map ? jwkOfCose(cose) : undefined
  return jwk !== undefined && refusalOf(jwk) === undefined
}

async function orUndefined<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}
