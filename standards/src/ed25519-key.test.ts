import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toBase64url } from './base64url.ts'
import { MalformedKeyError, parsePublicKey, thumbprint, toPublicJwk } from './ed25519-key.ts'
import { fromHex, toHex } from './hex.ts'

// RFC 8032 §7.1, tests 1 to 3: secret key, public key.
const published = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
  ],
] as const
/** RFC 8037 appendix A.2: the first of these as a JWK. */
const exampleX = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
const example = fromHex(published[0][1])

const pem = (der: Uint8Array, label = 'PUBLIC KEY') =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`
const spki = (hex: string) => fromHex(`302a300506032b6570032100${hex}`)

test.each(published)('RFC 8032 §7.1: the key of %s is read in all three spellings', (_secret, hex) => {
  const key = fromHex(hex)
  expect(parsePublicKey(toBase64url(key))).toEqual(key)
  expect(parsePublicKey(pem(spki(hex)))).toEqual(key)
  expect(parsePublicKey({ kty: 'OKP', crv: 'Ed25519', x: toBase64url(key), kid: 'mine', use: 'sig' })).toEqual(key)
})

test('RFC 8037 appendix A.2 and A.3: the JWK and its thumbprint', () => {
  expect(toPublicJwk(example)).toEqual({ kty: 'OKP', crv: 'Ed25519', x: exampleX })
  expect(thumbprint(example)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})

test('a PEM that another implementation wrote is read, also with the line ends of Windows', () => {
  const { publicKey } = generateKeyPairSync('ed25519')
  const text = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const { x } = publicKey.export({ format: 'jwk' })
  expect(toPublicJwk(parsePublicKey(text)).x).toBe(x)
  expect(toPublicJwk(parsePublicKey(text.replaceAll('\n', '\r\n'))).x).toBe(x)
})

test('every key made by the algorithm is accepted, and is the same key for another implementation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
      const key = ed25519.getPublicKey(secret)
      const jwk = toPublicJwk(parsePublicKey(toBase64url(key)))
      expect(createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ format: 'jwk' }).x).toBe(toBase64url(key))
    }),
    { numRuns: 20 },
  )
})

// The eight points of small order; -0 and the encodings of p and p+1 are those that are not canonical.
const smallOrder = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
]

test.each(smallOrder)('the small-order point %s is refused', (hex) => {
  expect(() => parsePublicKey(toBase64url(fromHex(hex)))).toThrow(
    new MalformedKeyError('the key is a small-order point'),
  )
})

test('a key to which a small-order point was added is refused', () => {
  const torsion = ed25519.Point.fromHex(smallOrder[4] ?? '')
  const mixed = ed25519.Point.fromBytes(example).add(torsion).toBytes()
  expect(() => parsePublicKey(toBase64url(mixed))).toThrow('the key has a small-order part')
})

const notPoints = {
  'a y without an x': '0200000000000000000000000000000000000000000000000000000000000000',
  'y = p, which is 0 written a second way': 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'y = p + 1, which is 1 written a second way': 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'minus zero as x': '0100000000000000000000000000000000000000000000000000000000000080',
  'all ones': 'ff'.repeat(32),
}

test.each(Object.entries(notPoints))('%s is refused', (_name, hex) => {
  expect(() => parsePublicKey(toBase64url(fromHex(hex)))).toThrow('the key is not a point of the curve')
})

test.each([
  ['an empty text', '', 'the key has 0 bytes: an Ed25519 public key has 32'],
  ['31 bytes', toBase64url(example.subarray(1)), 'the key has 31 bytes: an Ed25519 public key has 32'],
  ['33 bytes', toBase64url(Uint8Array.of(0, ...example)), 'the key has 33 bytes'],
  ['padding', `${exampleX}=`, 'the key is not base64url without padding'],
  ['hexadecimal', published[0][1], 'the key has 48 bytes'],
  ['half a PEM', '-----BEGIN PUBLIC KEY-----\nMCow', 'the PEM is not one complete block'],
  ['two PEM blocks', pem(spki(published[0][1])).repeat(2), 'the PEM is not one complete block'],
  ['a PEM of something else', pem(spki(published[0][1]), 'CERTIFICATE'), 'the PEM block is not a PUBLIC KEY'],
  ['a PEM that is not base64', '-----BEGIN PUBLIC KEY-----\nM===\n-----END PUBLIC KEY-----', 'the PEM is not base64'],
  ['a short key in PEM', pem(fromHex('3029300506032b65700320' + '00'.repeat(32))), 'the key in the PEM has 31 bytes'],
  ['a wrong length in PEM', pem(fromHex(`302b300506032b6570032100${published[0][1]}`)), 'not a canonical'],
  ['bytes after the key in PEM', pem(spki(`${published[0][1]}00`)), 'the key in the PEM has 33 bytes'],
])('%s is refused, and why', (_name, text, why) => {
  expect(() => parsePublicKey(text)).toThrow(MalformedKeyError)
  expect(() => parsePublicKey(text)).toThrow(why)
})

test.each([
  ['a private key', { kty: 'OKP', crv: 'Ed25519', x: exampleX, d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' }],
  ['a private key that says undefined', { kty: 'OKP', crv: 'Ed25519', x: exampleX, d: undefined }],
])('a JWK with %s is refused, and none of it is told', (_name, jwk) => {
  expect(() => parsePublicKey(jwk)).toThrow(
    new MalformedKeyError(
      'the JWK holds a private key (d), which is now exposed: make another pair, and send the public members',
    ),
  )
})

test.each([
  ['of another curve', { kty: 'OKP', crv: 'X25519', x: exampleX }, 'the JWK is of another algorithm'],
  ['of another family', { kty: 'EC', crv: 'P-256', x: exampleX, y: exampleX }, 'the JWK is of another algorithm'],
  ['without x', { kty: 'OKP', crv: 'Ed25519' }, 'the JWK has no x'],
  ['whose x is a number', { kty: 'OKP', crv: 'Ed25519', x: 1 }, 'the JWK has no x'],
  ['whose x is short', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' }, 'x of the JWK has 3 bytes'],
  ['whose x is padded', { kty: 'OKP', crv: 'Ed25519', x: `${exampleX}=` }, 'x of the JWK is not base64url'],
])('a JWK %s is refused, and why', (_name, jwk, why) => {
  expect(() => parsePublicKey(jwk)).toThrow(MalformedKeyError)
  expect(() => parsePublicKey(jwk)).toThrow(why)
})

test('a PEM of another algorithm or of a private key is refused', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const x25519Spki = fromHex(`302a300506032b656e032100${toHex(x25519.getPublicKey(new Uint8Array(32).fill(7)))}`)
  expect(() => parsePublicKey(ecPem)).toThrow('the PEM holds a key of another algorithm')
  expect(() => parsePublicKey(pem(x25519Spki))).toThrow('the PEM holds a key of another algorithm')
  expect(() => parsePublicKey(privatePem)).toThrow('the PEM holds a private key')
})

test('whatever text is given, the answer is a key or a MalformedKeyError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.uint8Array({ maxLength: 40 }).map(toBase64url)), (text) => {
      expect(outcomeOf(text)).toBe('as promised')
    }),
  )
})

function outcomeOf(text: string): unknown {
  try {
    return parsePublicKey(text).length === 32 ? 'as promised' : 'a short key'
  } catch (error) {
    return error instanceof MalformedKeyError ? 'as promised' : error
  }
}
