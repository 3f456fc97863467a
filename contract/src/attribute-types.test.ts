import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attributeDepthMax,
  AttributeName,
  formatAttributeType,
  parseAttributeType,
  type AttributeType,
} from './attribute-types.ts'

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/).filter((each) => AttributeName.safeParse(each).success)
const scalar = fc.constantFrom<AttributeType>(
  { type: 'String' },
  { type: 'Long' },
  { type: 'Boolean' },
  { type: 'Extension', name: 'decimal' },
  { type: 'Extension', name: 'datetime' },
  { type: 'Extension', name: 'duration' },
  { type: 'Extension', name: 'ipaddr' },
)
const typeOf = (depth: number): fc.Arbitrary<AttributeType> => {
  if (depth >= attributeDepthMax) return scalar
  const inner = typeOf(depth + 1)
  const member = fc.tuple(inner, fc.boolean()).map(([type, required]) => ({ ...type, required }))
  return fc.oneof(
    scalar,
    inner.map((element) => ({ type: 'Set' as const, element })),
    fc
      .uniqueArray(fc.tuple(name, member), { minLength: 1, maxLength: 5, selector: ([key]) => key })
      .map((members) => ({ type: 'Record' as const, attributes: Object.fromEntries(members) })),
  )
}

test('what is written is read as it was', () => {
  fc.assert(
    fc.property(typeOf(1), (type) => {
      expect(parseAttributeType(formatAttributeType(type))).toEqual(type)
    }),
  )
})

describe('reading', () => {
  test.each([
    ['string', { type: 'String' }],
    [' set < long > ', { type: 'Set', element: { type: 'Long' } }],
    [
      'record{a:string,b?:set<ipaddr>}',
      {
        type: 'Record',
        attributes: {
          a: { type: 'String', required: true },
          b: { type: 'Set', element: { type: 'Extension', name: 'ipaddr' }, required: false },
        },
      },
    ],
  ])('%j is a type', (text, type) => {
    expect(parseAttributeType(text)).toEqual(type)
  })

  test.each([
    '',
    'String',
    'text',
    'set',
    'set<>',
    'set<long',
    'set<long>>',
    'record',
    'record{}',
    'record{a}',
    'record{a: long,}',
    'record{a: long, a: long}',
    'record{__a: long}',
    'record{constructor: long}',
    'set<set<set<set<long>>>>',
    `record{${Array.from({ length: 21 }, (_, n) => `a${n}: long`).join(',')}}`,
  ])('%j is none', (text) => {
    expect(parseAttributeType(text)).toBeUndefined()
  })
})
