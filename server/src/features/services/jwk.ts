import { createPublicKey, type KeyObject } from 'node:crypto'
import { canonicalJson } from '@agent-iam/standards/jcs'
import { equalDigests, sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import type { AssertionKey } from '../credentials/model.ts'

/** NIST SP 800-131A: shorter RSA keys are no longer good. */
const rsaBitsMin = 2048
/** Longer ones only cost those who verify. */
const rsaBitsMax = 8192
/** Longest name of a key. */
const kidCharactersMax = 200

/** What a public key of each kind consists of (RFC 7638 §3.2), and the algorithms it may be used with, the usual first. */
const kinds: Readonly<Record<string, { members: readonly string[]; algorithms: readonly string[] }>> = {
  'OKP Ed25519': { members: ['crv', 'kty', 'x'], algorithms: ['EdDSA'] },
  'EC P-256': { members: ['crv', 'kty', 'x', 'y'], algorithms: ['ES256'] },
  'RSA ': { members: ['e', 'kty', 'n'], algorithms: ['RS256', 'PS256'] },
}

/** Reads a public JWK that may verify assertions; throws `invalid-request` that says what is wrong with it. */
export function readPublicJwk(sent: Readonly<Record<string, unknown>>): AssertionKey {
  const kind = kinds[`${String(sent['kty'])} ${sent['kty'] === 'RSA' ? '' : String(sent['crv'])}`]
  if (!kind) throw refused('is not an Ed25519, P-256 or RSA key')
  if ('d' in sent)
    throw refused('holds the private key, which is now known: make another pair and keep its private half')
  const jwk = Object.fromEntries(kind.members.map((member) => [member, sent[member]]))
  requireStrong(readKey(jwk))
  return {
    thumbprint: sha256(canonicalJson(jwk)).toString('base64url'),
    kid: kidOf(sent['kid']),
    algorithm: algorithmOf(sent['alg'], kind.algorithms),
    jwk,
  }
}

function readKey(jwk: Record<string, unknown>): KeyObject {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    // Spelt in another way, it would be the same key with another thumbprint.
    const spelt = { ...key.export({ format: 'jwk' }) }
    if (!equalDigests(canonicalJson(spelt), canonicalJson(jwk))) throw refused('is not spelt as RFC 7518 spells it')
    return key
  } catch (error) {
    if (error instanceof Problem) throw error
    throw refused('is not a key', error)
  }
}

function requireStrong(key: KeyObject): void {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {}
  if (modulusLength === undefined) return
  if (modulusLength < rsaBitsMin || modulusLength > rsaBitsMax)
    throw refused(`has ${modulusLength} bits; an RSA key has ${rsaBitsMin} to ${rsaBitsMax}`)
  if (publicExponent !== undefined && publicExponent < 65_537n) throw refused('has too small an exponent; use 65537')
}

function kidOf(kid: unknown): string | undefined {
  if (kid === undefined) return undefined
  if (typeof kid === 'string' && /^[\x21-\x7e]+$/.test(kid) && kid.length <= kidCharactersMax) return kid
  throw refused(`kid: is 1 to ${kidCharactersMax} visible ASCII characters`)
}

function algorithmOf(asked: unknown, allowed: readonly string[]): string {
  const found = asked === undefined ? allowed[0] : allowed.find((algorithm) => algorithm === asked)
  if (found === undefined) throw refused(`alg: is ${allowed.join(' or ')} for this kind of key`)
  return found
}

function refused(why: string, cause?: unknown): Problem {
  return new Problem('invalid-request', `jwk: ${why}`, { errors: [{ field: 'jwk', message: why }], cause })
}
