import { bulkCheck, check, whoCan } from '@agent-iam/contract/authorization'
import { evaluate, evaluateAll, searchActions, searchResources, searchSubjects } from '@agent-iam/contract/authzen'
import { operations } from '@agent-iam/contract/operations'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Problem } from '../../platform/problem.ts'
import { readCheck } from '../authorization/service.ts'
import { askedTypes } from './asked-types.ts'

const action = 'read'
const asked = (operationId: string, body: unknown) => Object.fromEntries(askedTypes(operationId, body))
const inCedar = (resource: unknown) => ({
  principal: `AgentIam::Agent::"agt_${'1'.repeat(32)}"`,
  action: 'AgentIam::Action::"read"',
  resource,
  context: {},
})

test.each([
  ['a type alone', { resource: 'database', action }, { database: 1 }],
  ['a type and an id', { resource: 'database/customers/7', action }, { database: 1 }],
  ['the parts', { resource: { type: 'database', id: 'a/b' }, action }, { database: 1 }],
  ['Cedar’s spelling', inCedar('AgentIam::Resource::"file/a \\"b\\""'), { file: 1 }],
  ['an escape in Cedar’s spelling', inCedar('AgentIam::Resource::"fi\\u{6c}e/a"'), { file: 1 }],
  ['an escaped slash', inCedar('AgentIam::Resource::"file\\u{2f}a"'), { file: 1 }],
  ['Cedar’s parts', inCedar({ type: 'AgentIam::Resource', id: 'file/a' }), { file: 1 }],
  ['Cedar’s parts, which have no escapes', inCedar({ type: 'AgentIam::Resource', id: 'fi\\u{6c}e/a' }), {}],
])('a check by %s asks about its type', (_what, body, types) => {
  expect(asked('check', body)).toEqual(types)
})

test.each([
  ['nothing', undefined],
  ['no object', 'database/a'],
  ['no resource', { action }],
  ['no action', { resource: 'database/a' }],
  ['a resource of no type', { resource: '/a', action }],
  ['a number', { resource: 7, action }],
  ['a list', { resource: ['database/a'], action }],
  ['a name of the prototype', { resource: { toString: 'database' }, action }],
  ['Cedar’s spelling where none is read', { resource: 'AgentIam::Resource::"database/a"', action }],
])('a check of %s asks about nothing', (_what, body) => {
  expect(asked('check', body)).toEqual({})
})

const agent = { type: 'agent', id: `agt_${'1'.repeat(32)}` }
const file = { type: 'file', id: 'a' }

test('several questions count each, and AuthZEN’s take what they do not say from what is common', () => {
  const checks = ['file/a', 'file/b', 'database', 7].map((resource) => ({ resource, action }))
  expect(asked('bulkCheck', { checks })).toEqual({ file: 2, database: 1 })
  const common = { subject: agent, action: { name: action }, resource: file }
  const evaluations = [{}, { resource: { type: 'database', id: 'b' } }, {}, { resource: { id: 'c' } }, 7]
  expect(asked('evaluateAll', { ...common, evaluations })).toEqual({ file: 3, database: 1 })
  expect(asked('evaluateAll', { ...common, evaluations: [] })).toEqual({ file: 1 })
  expect(asked('evaluateAll', common)).toEqual({ file: 1 })
  expect(asked('evaluate', common)).toEqual({ file: 1 })
})

test('searches ask about the type that they search for or in', () => {
  const question = { subject: agent, action: { name: action }, resource: file }
  expect(asked('searchSubjects', question)).toEqual({ file: 1 })
  expect(asked('searchResources', question)).toEqual({ file: 1 })
  expect(asked('searchActions', question)).toEqual({ file: 1 })
  expect(asked('searchActions', { ...question, resource: { type: 'no\ntype', id: 'a' } })).toEqual({})
  expect(asked('whoCan', { resource: 'database/a', action })).toEqual({ database: 1 })
})

test('what holds more questions than are taken brings no windows', () => {
  const checks = Array.from({ length: 10_000 }, (_, index) => ({ resource: `type${index}/a`, action }))
  expect(askedTypes('bulkCheck', { checks }).size).toBe(0)
})

test('what is no question asks about nothing, whatever its body is like', () => {
  const deep = Array.from({ length: 5_000 }).reduce<object>((inner) => ({ inner }), {})
  expect(asked('createPolicy', { resource: 'database/a', action })).toEqual({})
  expect(asked('toString', { resource: 'database/a', action })).toEqual({})
  expect(asked('check', { resource: 'database/a', action, context: deep })).toEqual({})
})

test('every operation whose body names a resource to decide on has its type counted', () => {
  const counted = [check, bulkCheck, whoCan, evaluate, evaluateAll, searchSubjects, searchResources, searchActions]
  for (const { id, example } of counted) expect(askedTypes(id, example.body).size, id).toBeGreaterThan(0)
  const others = operations.filter(({ id }) => !counted.some((each) => each.id === id))
  for (const { id, example } of others) expect(askedTypes(id, example.body).size, id).toBe(0)
})

/** A text in which each character may be spelt in any way that Cedar reads, and in some that it does not. */
const spelling = fc
  .array(
    fc
      .tuple(fc.constantFrom('f', 'i', 'l', 'e', '/', 'a', '.', '-', '"', '\\', '\0'), fc.integer({ min: 0, max: 4 }))
      .map(([character, how]) => spelt(character, how)),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(''))

function spelt(character: string, how: number): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16)
  return [character, `\\u{${hex}}`, `\\x${hex.padStart(2, '0')}`, `\\${character}`, `\\u{0000${hex}}`][how] ?? ''
}

test('for any spelling, the type that is counted is the type that is decided on', () => {
  let decided = 0
  fc.assert(
    fc.property(spelling, fc.boolean(), (text, isApart) => {
      const body = inCedar(isApart ? { type: 'AgentIam::Resource', id: text } : `AgentIam::Resource::"${text}"`)
      const type = typeDecided(body)
      if (type !== undefined) decided++
      expect(asked('check', body)).toEqual(type === undefined ? {} : { [type]: 1 })
    }),
    { numRuns: 2_000 },
  )
  expect(decided).toBeGreaterThan(100)
})

function typeDecided(body: unknown): string | undefined {
  try {
    return readCheck(body).resource.type
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}
