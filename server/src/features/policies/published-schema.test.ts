import { describe, expect, test } from 'vitest'
import type { ResourceType } from '../resources/model.ts'
import { loadCedar } from './cedar-instance.ts'
import { publishSchema } from './published-schema.ts'
import { schemaText } from './schema-text.ts'
import { systemPolicies } from './system-policies.ts'
import { fillTemplate, templates } from './templates.ts'

const cedar = loadCedar()
const at = new Date('2026-03-01T12:00:00Z')
const type = (name: string, rest: Partial<ResourceType>): ResourceType => {
  const blank = { description: '', attributes: {}, actions: [], revision: 1, createdBy: 'usr_1' }
  return { name, ...blank, createdAt: at, updatedAt: at, ...rest }
}
const required = true

const types: ResourceType[] = [
  type('file', {
    attributes: {
      size: { type: 'Long', required },
      reviewers: { type: 'Set', element: { type: 'String' }, required: false },
      retainUntil: { type: 'Extension', name: 'datetime', required: false },
      place: {
        type: 'Record',
        attributes: {
          city: { type: 'String', required },
          net: { type: 'Extension', name: 'ipaddr', required: false },
        },
        required: false,
      },
    },
    actions: [{ name: 'read', risk: 'low', description: '' }],
  }),
  type('database', {
    attributes: {
      encrypted: { type: 'Boolean', required: false },
      load: { type: 'Extension', name: 'decimal', required },
    },
    actions: [{ name: 'say "no" \\ \u0001 and 😀', risk: 'high', description: '' }],
  }),
]
const schema = publishSchema(types)
const text = schemaText(schema)

const examples = [
  'forbid(principal, action == AgentIam::Action::"read", resource) when { resource has labels && resource.labels.contains("pii") };',
  'permit(principal is AgentIam::Agent, action == AgentIam::Action::"read", resource in AgentIam::Resource::"file/docs") when { resource has attributes.size && resource.attributes.size < 1000 };',
  'forbid(principal, action, resource) when { resource has attributes.place.net && resource.attributes.place.net.isInRange(ip("10.0.0.0/8")) };',
  'forbid(principal, action, resource) when { context has ip && context.ip.isLoopback() && context.weekday > 5 };',
  'forbid(principal is AgentIam::Agent, action, resource) when { principal.trustScore.lessThan(context.trustMin) };',
  'forbid(principal, action == AgentIam::Action::"agents:delete", resource);',
]

/** A value for each kind of a template's parameters. */
const values = {
  days: ['mon'],
  time: '08:00',
  addresses: ['10.0.0.0/8'],
  text: 'pii',
  score: 0.5,
  actions: ['read'],
}
const shipped = templates.map((template) =>
  fillTemplate(template, Object.fromEntries(template.parameters.map(({ name, kind }) => [name, values[kind]]))),
)

describe.each([
  ['JSON', schema],
  ['text', text],
])('the published schema in %s', (_name, published) => {
  test.each([...systemPolicies.map(({ cedar: policy }) => policy), ...shipped, ...examples])(
    'knows all of %s',
    (policy) => {
      const answer = cedar.validate({
        schema: published,
        policies: { staticPolicies: { policy } },
        validationSettings: { mode: 'strict' },
      })
      expect(answer).toMatchObject({ type: 'success', validationErrors: [], validationWarnings: [] })
    },
  )

  test.each([
    'permit(principal, action == AgentIam::Action::"raed", resource);',
    'permit(principal, action, resource) when { resource has attributes && resource.attributes.size > 3 };',
    'permit(principal, action, resource) when { resource has attributes.size && resource.attributes.size == "x" };',
  ])('refuses %s', (policy) => {
    const answer = cedar.validate({
      schema: published,
      policies: { staticPolicies: { policy } },
      validationSettings: { mode: 'strict' },
    })
    expect(answer).toMatchObject({ type: 'success', validationErrors: [{ policyId: 'policy' }] })
  })
})

test('text and JSON say the same', () => {
  const read = cedar.schemaToJsonWithResolvedTypes(text)
  if (read.type === 'failure') throw new Error(read.errors.map(({ message }) => message).join('; '))
  const names = (each: typeof schema | typeof read.json) => Object.keys(each['AgentIam']?.actions ?? {}).toSorted()
  expect(names(read.json)).toEqual(names(schema))
  expect(Object.keys(read.json['AgentIam']?.entityTypes ?? {}).toSorted()).toEqual(
    Object.keys(schema.AgentIam.entityTypes).toSorted(),
  )
})
