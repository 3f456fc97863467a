import { MalformedKeyError } from './malformed-key.ts'

type Jwk = Readonly<Record<string, unknown>>

/** Refuses a JWK with members of a private key, and one that says that it is not for signatures. */
export function requirePublicForSignatures(jwk: Jwk): void {
  requirePublic(jwk)
  requireForSignatures(jwk)
}

/** The algorithms that a key may be used with: the one that it names, else all of its kind. */
export function algorithmsOf(named: unknown, allowed: readonly string[]): readonly string[] {
  if (named === undefined) return allowed
  const found = allowed.find((algorithm) => algorithm === named)
  if (found === undefined) throw new MalformedKeyError(`alg of the JWK must be one of ${allowed.join(', ')}`)
  return [found]
}

/** Members of private and symmetric keys (RFC 7518 §6, RFC 8037 §2, and `priv` of ML-DSA). */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

function requirePublic(jwk: Jwk): void {
  const found = privateMembers.find((member) => member in jwk)
  if (found !== undefined)
    throw new MalformedKeyError(
      `the JWK holds a private key (${found}), which is now exposed: make another pair, and send the public members`,
    )
}

/** RFC 7517 §4.2 and §4.3: a key that says that it is for something else verifies no signature. */
function requireForSignatures({ use, key_ops: operations }: Jwk): void {
  if (use !== undefined && use !== 'sig')
    throw new MalformedKeyError('use of the JWK is not "sig": send a key that is for signatures')
  if (operations === undefined) return
  const isToVerify = Array.isArray(operations) && operations.length === 1 && operations[0] === 'verify'
  if (!isToVerify) throw new MalformedKeyError('key_ops of the JWK is not ["verify"]')
}
