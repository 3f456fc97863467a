import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fieldsOf, tokenOf } from '../../test/biscuit-blocks.ts'
import {
  appended,
  library,
  minted,
  mintedWords,
  publicKeyOf,
  question,
  rootKeyId,
  rootPrivateKey,
} from '../../test/biscuits.ts'
import { attenuate } from './attenuate.ts'
import { authorize } from './authorize.ts'
import { BiscuitError } from './errors.ts'
import { memoryBytesMax } from './library.ts'
import { mint } from './mint.ts'
import { verify } from './verify.ts'

const ask = (token: string, different = {}) => authorize(library, token, publicKeyOf, { ...question, ...different })
const refusal = (code: string) => expect.objectContaining({ name: 'BiscuitError', code })
const narrowed = (token: string, operation: string) =>
  attenuate(library, token, publicKeyOf, { operations: [operation] })

test.each([
  ['its own right', 'right("*", "any", "", "*");'],
  ['rights from a rule', 'right($t, "any", "", "*") <- resource_type($t);'],
  ['another question', 'operation("read"); resource("file/docs/a"); resource_type("file"); resource_id("docs/a");'],
  ['a rule that answers another question', 'operation("read") <- operation("write");'],
  ['another time and audience', 'time(2026-11-22T10:30:00Z); requested_audience("https://files.example");'],
  ['a longer life', 'expires_at(2099-01-01T00:00:00Z); audience("https://other.example");'],
])('a block that brings %s widens nothing', (_, words) => {
  const token = appended(minted(), words)
  expect(ask(token).type).toBe('allowed')
  expect(ask(token, { operation: 'write' }).type).toBe('denied')
  expect(ask(token, { time: new Date('2026-11-22T12:00:00Z') }).type).toBe('denied')
  expect(ask(token, { audience: 'https://other.example' }).type).toBe('denied')
})

test('a block satisfies no check of a block before it', () => {
  const token = appended(narrowed(minted(), 'list'), 'operation("list");')
  expect(ask(token).type).toBe('denied')
})

test('proof of a key is the word of the authorizer alone', () => {
  const token = appended(minted({ confirmation: { jkt: 'key-1' } }), 'proven_key("jkt", "key-1");')
  expect(ask(token).type).toBe('denied')
})

test('a token with a block cut off, moved, changed or doubled does not verify', () => {
  const token = narrowed(narrowed(minted(), 'read'), 'list')
  const [id = none, authority = none, first = none, second = none, proof = none] = fieldsOf(token)
  expect(tokenOf([id, authority, first, second, proof])).toBe(token.replace(/=+$/, ''))
  const changed = Uint8Array.from(first, (byte, at) => (at === 12 ? byte ^ 1 : byte))
  const forged = [
    [id, authority, proof],
    [id, authority, first, proof],
    [id, authority, second, proof],
    [id, authority, second, first, proof],
    [id, authority, first, first, second, proof],
    [id, authority, changed, second, proof],
  ]
  for (const fields of forged) expect(() => verify(library, tokenOf(fields), publicKeyOf)).toThrow(BiscuitError)
  expect(() => verify(library, tokenOf([id, authority, second, first, proof]), publicKeyOf)).toThrow(
    refusal('bad-signature'),
  )
})
const none = new Uint8Array()

test('a proof from another token does not close this one', () => {
  const [id = none, authority = none] = fieldsOf(minted())
  const proof = fieldsOf(minted()).at(-1) ?? none
  expect(() => verify(library, tokenOf([id, authority, proof]), publicKeyOf)).toThrow(refusal('bad-signature'))
})

test('a token of another root key is refused, by whatever id it names', () => {
  const foreign = { rootPrivateKey: new Uint8Array(32).fill(8), facts: verify(library, minted(), publicKeyOf).facts }
  const wrongKey = mint(library, { ...foreign, rootKeyId })
  expect(() => verify(library, wrongKey, publicKeyOf)).toThrow(refusal('bad-signature'))
  const unknownId = mint(library, { ...foreign, rootPrivateKey, rootKeyId: rootKeyId + 1 })
  expect(() => verify(library, unknownId, publicKeyOf)).toThrow(refusal('unknown-root-key'))
})

test('a token that names no root key is refused', () => {
  const [, ...rest] = fieldsOf(minted())
  expect(() => verify(library, tokenOf(rest), publicKeyOf)).toThrow(refusal('unknown-root-key'))
})

/** Root key 3, and a block signed by the key whose 32 bytes are 9: made once with the library itself. */
const withThirdPartyBlock =
  'CAMSkgEKKAoFYWdlbnQKAWEYAyIKCggIgAgSAxiBCDIOCgwKAggbGgYKBAoCMAESJAgAEiClqUIYFUrlrx2uLjLlIZ-aWB19B3h7CYDNfkgSPYrAHhpARBA5Kh4uDaeCh16lbguwyGCuxLySjjKH-sPFhprRZVERnnf4o3azP3sGl2nN3cxCI4dmAIQoRIGI8DwUcSSVAhrxAQobCghhcHByb3ZlZAoBYRgFIgoKCAiACBIDGIEIEiQIABIgyAkEvWzS4REeb-3wVLvLW18Px1Wm66mZKb3OylobwkMaQIRPQ6qn_COtEGmn0HsplZcwJU-h9KGapbgDZ07HxYc0D6c7J5FcrkPglCMnFsKVi5Mt7WMiK7-o5Mqc8v4wZAQiaApAtgS0svvYEjHHegMmPCGlVDdWo3ixIC8ncKH2icWwt4_LlS3BJgnuBPE_cwd0vG0ft6_I955Fb7iTxt65ZYGaAxIkCAASIP0XJDhaoMdbZPt4zWAvodmR_ev3axPFjtcC6sg16fYYKAEiIgogxtKqavAKJ2Sna6bxhjfpo5yJ6cfeYKWtXtEyYaHS87I='

test('a block that somebody else signed is refused', () => {
  expect(() => verify(library, withThirdPartyBlock, publicKeyOf)).toThrow(refusal('third-party-block'))
  expect(() => ask(withThirdPartyBlock)).toThrow(refusal('third-party-block'))
})

test('a token of 9 KB is refused unread', () => {
  expect(() => verify(library, 'A'.repeat(8193), publicKeyOf)).toThrow(refusal('too-large'))
  expect(() => appended(minted(), `note("${'x'.repeat(9000)}");`)).not.toThrow()
  expect(() => ask(appended(minted(), `note("${'x'.repeat(9000)}");`))).toThrow(refusal('too-large'))
})

test('a check that cannot be computed denies', () => {
  for (const check of ['1 / 0 === 1', '9223372036854775807 + 1 > 0', '"a" < 1'])
    expect(ask(appended(minted(), `check if ${check};`)).type).toBe('denied')
})

/** Rules that need so many rounds of evaluation. */
const rounds = (count: number) => Array.from({ length: count }, (_, n) => `s(${n + 1}) <- s(${n});`).join('')

test('too many facts and too many rounds are limits, not answers', () => {
  const numbers = Array.from({ length: 30 }, (_, n) => `n(${n});`).join('')
  const facts = appended(minted(), `${numbers} m($a, $b, $c) <- n($a), n($b), n($c);`)
  expect(ask(facts)).toStrictEqual({ type: 'limit', limit: 'facts' })
  expect(ask(appended(minted(), `s(0); ${rounds(150)}`))).toStrictEqual({ type: 'limit', limit: 'iterations' })
})

test('time that runs out is a limit, not an answer', () => {
  const numbers = Array.from({ length: 40 }, (_, n) => `n(${n});`).join('')
  const bomb = appended(minted(), `${numbers} s(0); ${rounds(95)} m(1) <- n($a), n($b), n($c), $a == 100;`)
  expect(ask(bomb)).toStrictEqual({ type: 'limit', limit: 'time' })
})

test('garbage is refused by name, and the library lives on', () => {
  const token = minted()
  const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each).toString('base64url'))
  const flipped = fc
    .tuple(fc.nat(token.length - 1), fc.constantFrom('A', 'Z', 'a', '9', '-', '_'))
    .map(([at, character]) => token.slice(0, at) + character + token.slice(at + 1))
  fc.assert(
    fc.property(fc.oneof(fc.string(), bytes, flipped), (garbage) => {
      try {
        const { facts } = verify(library, garbage, publicKeyOf)
        expect(facts).toStrictEqual(verify(library, token, publicKeyOf).facts)
      } catch (error) {
        if (!(error instanceof BiscuitError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  expect(ask(token).type).toBe('allowed')
})

test('random words of a block end in an answer or a refusal', () => {
  const token = minted()
  const words = 'check if/check all/reject if/<-/ or /,/;/(/)/"a"/$x/operation/1/==/{1}/right/trusting previous/time'
  const more = '.starts_with/.contains/.length()/[/]/true/hex:00/&&/allow if/\u0000/"'
  const word = fc.constantFrom(...`${words}/${more}`.split('/'))
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (each) => {
      try {
        expect(['allowed', 'denied', 'limit']).toContain(ask(appended(token, `${each.join(' ')};`)).type)
      } catch (error) {
        if (error instanceof Error && !(error instanceof BiscuitError)) throw error
      }
    }),
    { numRuns: 1000 },
  )
})

test('after a panic the library starts anew, and says nothing', () => {
  const panic = () =>
    library.use(({ Biscuit }, keep) => {
      const builder = keep(Biscuit.builder())
      // @ts-expect-error -- a Date makes the library panic, so the type forbids it
      builder.addCodeWithParameters('a({d});', { d: new Date(0) }, {})
    })
  const before = minted()
  for (let time = 0; time < 20; time += 1) expect(panic).toThrow(refusal('malformed'))
  expect(ask(before).type).toBe('allowed')
  expect(ask(minted()).type).toBe('allowed')
})

test('a root key that is none is the fault of whoever gave it', () => {
  expect(() => verify(library, minted(), () => 'no hex')).toThrow('hex')
  expect(() => verify(library, minted(), () => '00')).toThrow(TypeError)
  expect(ask(minted()).type).toBe('allowed')
})

test('words that cost memory for good cost it once only', () => {
  const costly = appended(minted(), `check if true ${'|| true '.repeat(300)};`)
  for (let turn = 0; turn < 200; turn += 1) expect(ask(costly).type).toBe('allowed')
  const bytes = library.use(() => process.memoryUsage().external)
  expect(bytes).toBeLessThan(3 * memoryBytesMax)
})

test('words that imitate the issuer are not his', () => {
  const token = mintedWords('issuer("a\\"b"); check if true;')
  expect(() => verify(library, token, publicKeyOf)).toThrow(refusal('unexpected-authority'))
})
