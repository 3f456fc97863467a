import fc from 'fast-check'
import { expect, test } from 'vitest'
import { library, minted, publicKeyOf, question } from '../../test/biscuits.ts'
import { fromBase64url, toBase64url } from '../base64url.ts'
import { attenuate, seal } from './attenuate.ts'
import { authorize } from './authorize.ts'
import { blocksOf, blocksPrefix, evaluable } from './blocks.ts'
import { BiscuitError } from './errors.ts'
import { open } from './token.ts'
import { verify } from './verify.ts'

const narrowed = (token: string) => attenuate(library, token, publicKeyOf, { operations: ['read'] })

/** A block in words of the newest Datalog. */
function append(token: string, words: string): string {
  return library.use((bindings, keep) => {
    const { biscuit } = open(bindings, keep, token, publicKeyOf)
    const block = keep(bindings.Biscuit.block_builder())
    block.addCodeWithParameters(words, {}, {})
    return keep(biscuit.appendBlock(block)).toBase64()
  })
}

const tokens: ReadonlyArray<readonly [string, string]> = [
  ['whole', minted({})],
  ['attenuated once', narrowed(minted({}))],
  ['attenuated thrice', narrowed(narrowed(narrowed(minted({}))))],
  ['sealed', seal(library, narrowed(minted({})), publicKeyOf)],
  [
    'with check all and reject if',
    append(append(minted({}), 'check all operation($o), $o == "read";'), 'reject if operation("write");'),
  ],
  [
    'with facts, rules and texts of its own',
    append(minted({}), 'word("a \\"quoted\\" text"); seen($o) <- operation($o); check if seen("read");'),
  ],
]

test.each(tokens)('the blocks of a token that is %s decide as the token does', (_what, token) => {
  const { token: again, publicKey, revocationIds } = evaluable(blocksOf(token))
  expect(revocationIds).toEqual(verify(library, token, publicKeyOf).revocationIds)
  expect({ ...verify(library, again, () => publicKey), revocationIds }).toEqual(verify(library, token, publicKeyOf))
  for (const operation of ['read', 'write', 'list'])
    for (const resource of [question.resource, 'file/other', 'db'])
      expect(authorize(library, again, () => publicKey, { ...question, operation, resource })).toEqual(
        authorize(library, token, publicKeyOf, { ...question, operation, resource }),
      )
})

test.each(tokens)(
  'the blocks of a token that is %s present nothing, and no issuer accepts what they are evaluated as',
  (_what, token) => {
    const blocks = blocksOf(token)
    expect(blocksOf(blocks)).toBe(blocks)
    for (const shown of [blocks, blocks.slice(blocksPrefix.length), evaluable(blocks).token])
      expect(() => verify(library, shown, publicKeyOf)).toThrow(BiscuitError)
  },
)

test('no proof is left, wherever and however often the token wrote it', () => {
  const bytes = fromBase64url(narrowed(minted({})).replace(/=+$/, ''))
  const [rest, proof] = [bytes.subarray(0, -36), bytes.subarray(-36)]
  for (const order of [
    [proof, rest],
    [proof, rest, proof],
  ]) {
    const token = toBase64url(Uint8Array.from(order.flatMap((part) => [...part])))
    expect(blocksOf(token)).toBe(blocksPrefix + toBase64url(rest))
  }
})

test('whatever else the text is, it is malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => verify(library, evaluable(blocksPrefix + toBase64url(bytes)).token, publicKeyOf)).toThrow(
        BiscuitError,
      )
    }),
  )
  for (const text of ['', blocksPrefix, 'words', tokens[0]?.[1] ?? ''])
    expect(() => evaluable(text)).toThrow(BiscuitError)
})
