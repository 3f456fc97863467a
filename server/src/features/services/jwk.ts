import { canonicalJson } from '@agent-iam/standards/jcs'
import { MalformedKeyError } from '@agent-iam/standards/malformed-key'
import type { KeyKind } from '@agent-iam/standards/public-key'
import { sha256 } from '../../platform/digest.ts'
import { Problem } from '../../platform/problem.ts'
import { openPublicKey, type OpenedPublicKey } from '../../platform/public-keys.ts'
import type { AssertionKey } from '../credentials/model.ts'

/** Longest name of a key. */
const kidCharactersMax = 200

/** The kinds of key that a service may have, and the algorithms that each may sign with, the usual first. */
const algorithmsByKind = new Map<KeyKind, readonly string[]>([
  ['Ed25519', ['EdDSA']],
  ['P-256', ['ES256']],
  ['RSA', ['RS256', 'PS256']],
])

/** Reads a public JWK that may verify assertions; throws `invalid-request` that says what is wrong with it. */
export function readPublicJwk(sent: Readonly<Record<string, unknown>>): AssertionKey {
  const { kind, jwk } = open(sent)
  const algorithms = algorithmsByKind.get(kind)
  if (!algorithms) throw refused('is not an Ed25519, P-256 or RSA key')
  return {
    thumbprint: sha256(canonicalJson(jwk)).toString('base64url'),
    kid: kidOf(sent['kid']),
    algorithm: algorithmOf(sent['alg'], algorithms),
    jwk,
  }
}

function open(sent: Readonly<Record<string, unknown>>): OpenedPublicKey {
  try {
    return openPublicKey(sent)
  } catch (error) {
    if (error instanceof MalformedKeyError) throw refused(error.message, error)
    throw error
  }
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
