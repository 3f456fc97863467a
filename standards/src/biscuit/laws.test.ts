import fc from 'fast-check'
import { expect, test } from 'vitest'
import { facts, library, minted, publicKeyOf, question } from '../../test/biscuits.ts'
import { attenuate, type Restriction } from './attenuate.ts'
import { authorize } from './authorize.ts'
import type { AuthorityFacts, Right } from './facts.ts'
import { verify } from './verify.ts'

// Few letters, so that what is asked, granted and taken away meet often.
const type = fc.constantFrom('file', 'db', 'platform')
const id = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 3 })
const action = fc.constantFrom('read', 'write', 'list')
const audience = fc.constantFrom(facts.audience, 'https://other.example')
const time = fc.constantFrom(9, 10, 10.5, 11, 12).map((hour) => new Date(Date.UTC(2026, 10, 22) + hour * 3_600_000))
const idPattern = fc.option(
  fc
    .tuple(
      id.filter((each) => each !== ''),
      fc.constantFrom('', '*'),
    )
    .map((parts) => parts.join('')),
  { nil: undefined },
)
const right: fc.Arbitrary<Right> = fc.record({
  type: fc.oneof(type, fc.constant('*')),
  idPattern,
  action: fc.oneof(action, fc.constant('*')),
})
const resource = fc.tuple(type, id).map(([each, rest]) => (rest === '' ? each : `${each}/${rest}`))
const asked = fc.record({ operation: action, resource, audience, time })
const restriction: fc.Arbitrary<Restriction> = fc
  .record({
    operations: fc.option(fc.array(action, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    resourcePrefix: fc.option(resource, { nil: undefined }),
    expiresAt: fc.option(time, { nil: undefined }),
    audience: fc.option(audience, { nil: undefined }),
  })
  .filter((each) => Object.values(each).some((value) => value !== undefined))

const isAllowed = (token: string, each: typeof question) =>
  authorize(library, token, publicKeyOf, each).type === 'allowed'

test('what an attenuated token allows, the token before it allowed, and the restriction too', () => {
  fc.assert(
    fc.property(
      fc.array(right, { maxLength: 4 }),
      fc.array(restriction, { minLength: 1, maxLength: 3 }),
      fc.array(asked, { minLength: 1, maxLength: 8 }),
      (rights, restrictions, questions) => {
        const before = minted({ rights })
        const after = restrictions.reduce((token, each) => attenuate(library, token, publicKeyOf, each), before)
        for (const each of questions) {
          const expected = isAllowed(before, each) && restrictions.every((taken) => isLeft(taken, each))
          expect(isAllowed(after, each)).toBe(expected)
        }
      },
    ),
    { numRuns: 50 },
  )
})

function isLeft(taken: Restriction, each: typeof question): boolean {
  return (
    (taken.operations?.includes(each.operation) ?? true) &&
    each.resource.startsWith(taken.resourcePrefix ?? '') &&
    (taken.expiresAt === undefined || each.time < taken.expiresAt) &&
    (taken.audience ?? each.audience) === each.audience
  )
}

test('a token allows what its rights cover, until it ends, at its audience', () => {
  fc.assert(
    fc.property(fc.array(right, { maxLength: 4 }), asked, (rights, each) => {
      const expected =
        rights.some((one) => covers(one, each)) && each.time < facts.expiresAt && each.audience === facts.audience
      expect(isAllowed(minted({ rights }), each)).toBe(expected)
    }),
    { numRuns: 150 },
  )
})

function covers(one: Right, { operation, resource: whole }: typeof question): boolean {
  const [first = '', ...rest] = whole.split('/')
  const pattern = one.idPattern ?? '*'
  const isId = pattern.endsWith('*') ? rest.join('/').startsWith(pattern.slice(0, -1)) : rest.join('/') === pattern
  const isType = one.type === first || (one.type === '*' && first !== 'platform')
  return isType && isId && (one.action === operation || one.action === '*')
}

test('what is minted is read back, whatever the texts hold', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter((each) => !/\p{Cc}/u.test(each))
  const odd = fc.oneof(text, fc.constantFrom('"', '\\', '");', '", "', '\u2028', '{agent}', '\\n', 'check if x'))
  const pattern = odd.filter((each) => !each.includes('*'))
  const names: fc.Arbitrary<Partial<AuthorityFacts>> = fc.record({
    issuer: odd,
    agent: odd,
    task: fc.option(odd, { nil: undefined }),
    confirmation: fc.option(
      odd.map((jkt) => ({ jkt })),
      { nil: undefined },
    ),
    statusList: fc.option(fc.record({ uri: odd, idx: fc.maxSafeNat() }, { noNullPrototype: true }), { nil: undefined }),
    rights: fc.array(
      fc
        .tuple(type, pattern, fc.constantFrom('a"', '",', '*', '");'))
        .map(([one, ids, verb]) => ({ type: one, idPattern: ids, action: verb })),
      { maxLength: 5 },
    ),
  })
  fc.assert(
    fc.property(names, (different) => {
      expect(verify(library, minted(different), publicKeyOf).facts).toStrictEqual({ ...facts, ...different })
    }),
    { numRuns: 200 },
  )
})

test('an honest token of four blocks is never out of time', () => {
  const restrictions = [{ operations: ['read', 'list'] }, { resourcePrefix: 'file/' }, { expiresAt: facts.expiresAt }]
  const token = restrictions.reduce((each, taken) => attenuate(library, each, publicKeyOf, taken), minted())
  for (let turn = 0; turn < authorisations; turn += 1)
    expect(authorize(library, token, publicKeyOf, question)).toStrictEqual({ type: 'allowed' })
})

/** With the library's own clock, one in seventy ran out of time. */
const authorisations = 1000
