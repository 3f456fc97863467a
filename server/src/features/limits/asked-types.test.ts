import { expect, test } from 'vitest'
import { askedTypes } from './asked-types.ts'

const asked = (operationId: string, body: unknown) => Object.fromEntries(askedTypes(operationId, body))

test.each([
  ['a type alone', { resource: 'database' }, { database: 1 }],
  ['a type and an id', { resource: 'database/customers/7' }, { database: 1 }],
  ['the parts', { resource: { type: 'database', id: 'a/b' } }, { database: 1 }],
  ['Cedar’s spelling', { resource: 'AgentIam::Resource::"file/a \\"b\\""' }, { file: 1 }],
  ['Cedar’s parts', { resource: { type: 'AgentIam::Resource', id: 'file/a' } }, { file: 1 }],
])('a check by %s asks about its type', (_what, body, types) => {
  expect(asked('check', body)).toEqual(types)
})

test.each([
  ['nothing', undefined],
  ['no object', 'database/a'],
  ['no resource', { action: 'read' }],
  ['a resource of no type', { resource: '/a' }],
  ['a number', { resource: 7 }],
  ['a list', { resource: ['database/a'] }],
  ['a name of the prototype', { resource: { toString: 'database' } }],
])('a check of %s asks about nothing', (_what, body) => {
  expect(asked('check', body)).toEqual({})
})

test('several questions count each, and AuthZEN’s take what they do not say from what is common', () => {
  const checks = [{ resource: 'file/a' }, { resource: 'file/b' }, { resource: 'database' }, 'none']
  expect(asked('bulkCheck', { checks })).toEqual({ file: 2, database: 1 })
  const file = { type: 'file', id: 'a' }
  const evaluations = [{}, { resource: { type: 'database', id: 'b' } }, {}]
  expect(asked('evaluateAll', { resource: file, evaluations })).toEqual({ file: 2, database: 1 })
  expect(asked('evaluateAll', { resource: file })).toEqual({ file: 1 })
  expect(asked('evaluate', { resource: file })).toEqual({ file: 1 })
})

test('what holds more questions than are taken brings no more windows than those', () => {
  const checks = Array.from({ length: 10_000 }, (_, index) => ({ resource: `type${index}/a` }))
  expect(askedTypes('bulkCheck', { checks }).size).toBe(100)
})

test('what is no question asks about nothing, whatever its body is like', () => {
  expect(asked('createPolicy', { resource: 'database/a' })).toEqual({})
  expect(asked('toString', { resource: 'database/a' })).toEqual({})
})
