import type { AttributeType, DeclaredAttribute } from '@agent-iam/contract/attribute-types'
import type { Json, OpenObject } from '@agent-iam/contract/json'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadCedar } from '../policies/cedar-instance.ts'
import { datetime, decimal, neverExpires, reference, uid } from '../policies/cedar-json.ts'
import { publishSchema } from '../policies/published-schema.ts'
import { attributesToWire, readAttributes } from './attributes.ts'
import type { AttributeValue, ResourceType } from './model.ts'

const required = true

describe('reading', () => {
  const declared: Record<string, DeclaredAttribute> = {
    size: { type: 'Long', required },
    tags: { type: 'Set', element: { type: 'String' }, required: false },
    ratio: { type: 'Extension', name: 'decimal', required: false },
    nets: { type: 'Set', element: { type: 'Extension', name: 'ipaddr' }, required: false },
  }
  const read = (given: OpenObject) => readAttributes(declared, given, 'attributes')

  test('values come out in Cedar’s words, each of a set once', () => {
    expect(read({ size: -3, tags: ['b', 'a', 'b'], ratio: 0.25, nets: ['10.0.0.0/8', '::1', '::1'] })).toEqual({
      faults: [],
      attributes: {
        size: -3,
        tags: ['b', 'a'],
        ratio: { __extn: { fn: 'decimal', arg: '0.2500' } },
        nets: [{ __extn: { fn: 'ip', arg: '10.0.0.0/8' } }, { __extn: { fn: 'ip', arg: '::1' } }],
      },
    })
  })

  test('every fault is told, each with its place', () => {
    const given = { tags: ['a', 2], ratio: '1', nets: ['::ffff:10.0.0.1'], colour: 'red' }
    expect(read(given).faults).toEqual([
      { field: 'attributes.tags.1', message: 'is no string' },
      { field: 'attributes.ratio', message: 'is no decimal' },
      { field: 'attributes.nets.0', message: 'is no ipaddr' },
      { field: 'attributes.colour', message: 'is not declared by the resource’s type' },
      { field: 'attributes.size', message: 'is required' },
    ])
  })
})

describe('whatever is taken', () => {
  interface Sample {
    readonly type: AttributeType
    readonly value: Json
  }
  const number = (max: number) => fc.integer({ min: 0, max })
  const day = fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  const extension = fc.oneof(
    fc.tuple(
      fc.constant('decimal' as const),
      fc.integer({ min: -(2 ** 40), max: 2 ** 40 }).map((n) => (n / 10_000).toFixed(4)),
    ),
    fc.tuple(
      fc.constant('datetime' as const),
      day.map((each) => each.toISOString()),
    ),
    fc.tuple(
      fc.constant('duration' as const),
      fc.tuple(number(9999), number(99)).map(([h, m]) => `${h}h${m}m`),
    ),
    fc.tuple(
      fc.constant('ipaddr' as const),
      fc.oneof(
        fc.ipV4(),
        fc.ipV6().filter((each) => !each.includes('.')),
      ),
    ),
  )
  const scalar: fc.Arbitrary<Sample> = fc.oneof(
    fc.string({ unit: 'binary' }).map((value) => ({ type: { type: 'String' as const }, value: value.toWellFormed() })),
    fc.maxSafeInteger().map((value) => ({ type: { type: 'Long' as const }, value })),
    fc.boolean().map((value) => ({ type: { type: 'Boolean' as const }, value })),
    extension.map(([name, value]) => ({ type: { type: 'Extension' as const, name }, value })),
  )
  const samples = (depth: number): fc.Arbitrary<Sample> =>
    depth === 0
      ? scalar
      : fc.oneof(
          scalar,
          samples(depth - 1).map(({ type, value }) => ({
            type: { type: 'Set' as const, element: type },
            value: [value, value],
          })),
          fc.array(samples(depth - 1), { minLength: 1, maxLength: 4 }).map((members) => ({
            type: {
              type: 'Record' as const,
              attributes: Object.fromEntries(members.map(({ type }, n) => [`m${n}`, { ...type, required }])),
            },
            value: Object.fromEntries(members.map(({ value }, n) => [`m${n}`, value])),
          })),
        )

  const cedar = loadCedar()
  const at = new Date('2026-03-01T12:00:00Z')
  const tenant = reference('Tenant', 'ten_1')

  function decide(declared: Record<string, DeclaredAttribute>, attributes: Record<string, AttributeValue>) {
    const blank = { description: '', revision: 1, createdBy: 'usr_1', createdAt: at, updatedAt: at }
    const actions = [{ name: 'read', risk: 'low' as const, description: '' }]
    const type: ResourceType = { ...blank, name: 'file', attributes: declared, actions }
    const principal = uid('User', 'usr_1')
    const resource = uid('Resource', 'file/a')
    const identity = { id: 'usr_1', tenant, status: 'active', expiresAt: datetime(neverExpires) }
    const about = { request: {}, now: datetime(at), weekday: 7, address: '', hop: 0, actor: 'usr_1' }
    const guards = {
      presented: [],
      chainWhole: true,
      expired: false,
      trustMin: decimal(0),
      inScope: true,
      withinBlocks: true,
    }
    return cedar.isAuthorized({
      principal,
      action: uid('Action', 'read'),
      resource,
      context: { ...about, ...guards, coveredBy: [] },
      entities: [
        { uid: principal, attrs: identity, parents: [] },
        { uid: resource, attrs: { type: 'file', id: 'a', tenant, labels: ['pii'], attributes }, parents: [] },
      ],
      policies: {
        staticPolicies: { p: 'permit(principal, action, resource) when { resource has attributes.x };' },
      },
      schema: publishSchema([type]),
      validateRequest: true,
    })
  }

  test('the library takes as its type, and is sent back as it came', () => {
    fc.assert(
      fc.property(samples(3), ({ type, value }) => {
        const declared = { x: { ...type, required } }
        const { attributes, faults } = readAttributes(declared, { x: value }, 'attributes')
        expect(faults).toEqual([])
        expect(decide(declared, attributes)).toMatchObject({ type: 'success', response: { decision: 'allow' } })
        const wire = attributesToWire(attributes)
        expect(readAttributes(declared, wire, 'attributes')).toEqual({ attributes, faults: [] })
      }),
      { numRuns: 150 },
    )
  })
})
