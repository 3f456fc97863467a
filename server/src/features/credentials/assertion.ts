import { assertionSecondsMax } from '@agent-iam/contract/agent-proofs'
import { toPublicJwk } from '@agent-iam/standards/ed25519-key'
import { isCanonicalJws } from '@agent-iam/standards/jws'
import { MalformedKeyError } from '@agent-iam/standards/malformed-key'
import { errors, jwtVerify, type JWTHeaderParameters, type JWTVerifyResult } from 'jose'
import type { Context } from '../../platform/context.ts'
import { openPublicKey } from '../../platform/public-keys.ts'
import type { AssertionKey } from './model.ts'

export interface Assertion {
  readonly jti: string
  readonly expiresAt: Date
  /** The key that signed it. */
  readonly thumbprint: string
}

/** Every assertion is spent under this purpose, wherever it is presented: it has one audience, so it is good once. */
export const assertionPurpose = 'jwt'

/** Longest `jti`: it is kept until the assertion has expired. */
const jtiCharactersMax = 200

/**
 * Reads a JWT assertion (RFC 7523 §3) that an identity signed about itself for this issuer, and for it alone: with
 * several audiences, another of them could present it here (RFC 9700). Undefined for whatever is wrong with it. Where
 * there is no key, one of nobody's is tried, so that unknown costs what known does. Whether it was used before, the
 * caller must ask.
 */
export async function readAssertion(
  { clock }: Pick<Context, 'clock'>,
  token: string,
  about: { readonly id: string; readonly issuer: string; readonly keys: readonly AssertionKey[] },
): Promise<Assertion | undefined> {
  const { id, issuer, keys } = about
  for (const key of keys.length > 0 ? keys : [nobodysKey]) {
    const verified = await verify(token, key, { issuer: id, subject: id, audience: issuer, currentDate: clock.now() })
    const assertion = verified && accept(verified, key, clock.now())
    if (assertion && key !== nobodysKey) return assertion
  }
  return undefined
}

/** Verified in place of an unknown identity's key. It proves nothing, whoever signs. */
const nobodysKey: AssertionKey = {
  thumbprint: '',
  kid: undefined,
  algorithm: 'EdDSA',
  // Any point of the curve will do; this is its base point.
  jwk: { ...toPublicJwk(Buffer.from('5866666666666666666666666666666666666666666666666666666666666666', 'hex')) },
}

interface Expected {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
  readonly currentDate: Date
}

async function verify(token: string, key: AssertionKey, expected: Expected): Promise<JWTVerifyResult | undefined> {
  try {
    // RFC 9864 gives EdDSA over Ed25519 a name of its own.
    const algorithms = key.algorithm === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [key.algorithm]
    if (!isCanonicalJws(token)) return undefined
    const { keyObject } = openPublicKey(key.jwk)
    return await jwtVerify(token, keyObject, { ...expected, algorithms, requiredClaims: ['exp', 'jti'] })
  } catch (error) {
    if (isOfToken(error) || error instanceof MalformedKeyError) return undefined
    throw error
  }
}

/** What jose throws at a token that is malformed, or that does not fit the key. */
function isOfToken(error: unknown): boolean {
  return error instanceof errors.JOSEError || error instanceof TypeError
}

/** Types that an assertion's header may have: a DPoP proof or any other signed text is not one. */
const assertionTypes = new Set([undefined, 'JWT', 'client-authentication+jwt'])

/** The only members that its header may have: a key that comes with a token proves nothing (RFC 8725 §3.10). */
const headerMembers = new Set(['alg', 'typ', 'kid'])

function accept({ payload, protectedHeader }: JWTVerifyResult, key: AssertionKey, now: Date): Assertion | undefined {
  const { exp = 0, jti, aud } = payload
  const isShort = exp - now.getTime() / 1000 <= assertionSecondsMax
  if (!isHeader(protectedHeader, key) || !isShort || typeof aud !== 'string') return undefined
  return isKeepable(jti) ? { jti, expiresAt: new Date(exp * 1000), thumbprint: key.thumbprint } : undefined
}

function isHeader(header: JWTHeaderParameters, { kid, thumbprint }: AssertionKey): boolean {
  const isMeant = header.kid === undefined || header.kid === kid || header.kid === thumbprint
  return isMeant && assertionTypes.has(header.typ) && Object.keys(header).every((member) => headerMembers.has(member))
}

function isKeepable(jti: string | undefined): jti is string {
  if (!jti || jti.length > jtiCharactersMax) return false
  return jti.isWellFormed() && !jti.includes('\u0000')
}
