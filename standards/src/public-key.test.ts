import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { badKeys, goodEd25519, goodP256, goodRsa, withOtherEnd } from '../../test/keys/bad-keys.ts'
import { isCanonicalBase64url, isCanonicalJws } from './jws.ts'
import { MalformedKeyError } from './malformed-key.ts'
import { parseSigningJwk } from './public-key.ts'

test.each(badKeys)('a key is refused: %s', (_why, jwk) => {
  expect(() => parseSigningJwk(jwk)).toThrow(MalformedKeyError)
})

test('the reason is named, and nothing of the key', () => {
  const reasons = badKeys.map(([why, jwk]) => [why, reasonOf(jwk)] as const)
  expect(reasons.find(([why]) => why.includes('ROCA'))?.[1]).toContain('ROCA')
  expect(reasons.find(([why]) => why.includes('factor 751'))?.[1]).toContain('factor')
  expect(reasons.find(([why]) => why.includes('off the curve'))?.[1]).toContain('not a point')
})

test.each([
  ['Ed25519', goodEd25519, ['EdDSA', 'Ed25519']],
  ['P-256', goodP256, ['ES256']],
  ['RSA', goodRsa, ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512']],
  ['P-384', jwkOf('P-384'), ['ES384']],
  ['P-521', jwkOf('P-521'), ['ES512']],
  ['Ed448', { ...generateKeyPairSync('ed448').publicKey.export({ format: 'jwk' }) }, ['EdDSA', 'Ed448']],
])('a key of %s passes, and only the members that make it are kept', (kind, jwk, algorithms) => {
  const read = parseSigningJwk({ ...jwk, kid: 'mine', use: 'sig', key_ops: ['verify'] })
  expect(read).toEqual({ kind, algorithms, jwk })
})

test('a key that names its algorithm is for that one', () => {
  expect(parseSigningJwk({ ...goodRsa, alg: 'PS256' }).algorithms).toEqual(['PS256'])
})

test('of 100 RSA keys, none is taken for one of the broken generator', () => {
  for (let each = 0; each < 100; each++) {
    const modulus = Buffer.alloc(256, 0xff)
    modulus.writeUInt32BE(0xc0000000 + each, 0)
    const refusal = reasonOf({ kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' })
    expect(refusal ?? '').not.toContain('ROCA')
  }
})

test('a signature has one spelling', () => {
  const canonical = 'eyJhbGciOiJFZERTQSJ9.e30.AAAA'
  expect(isCanonicalJws(canonical)).toBe(true)
  expect(isCanonicalJws(`${canonical}==`)).toBe(false)
  expect(isCanonicalJws(`${canonical}.`)).toBe(false)
  expect(isCanonicalJws(canonical.replace('e30', withOtherEnd('e30')))).toBe(false)
  expect(isCanonicalJws(canonical.replace('AAAA', 'AA+A'))).toBe(false)
  expect(isCanonicalJws(`${canonical}\n`)).toBe(false)
  expect(isCanonicalBase64url(withOtherEnd('AA'))).toBe(false)
})

function jwkOf(namedCurve: string) {
  return { ...generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }) }
}

function reasonOf(jwk: Readonly<Record<string, unknown>>): string | undefined {
  try {
    parseSigningJwk(jwk)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : 'no error'
  }
}
