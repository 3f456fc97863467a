import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Problem } from '../../platform/problem.ts'
import { loadCedar } from './cedar-instance.ts'
import { checkPolicy } from './check-policy.ts'
import { fillTemplate, templates } from './templates.ts'

const cedar = loadCedar()

/** What each template is given where it has no value of its own. */
const given: Readonly<Record<string, Record<string, string | number | string[]>>> = {
  'business-hours': { from: '22:00', to: '06:00' },
  'address-allow-list': { addresses: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'] },
  'trust-floor': { label: 'pii', minimum: 0.6 },
  'separation-of-duty': { type: 'invoice', actions: ['approve'] },
  'read-only-agents': { agentType: 'reader' },
  'deny-resource-type': { type: 'payroll' },
}

describe.each(templates.map((each) => [each.template, each] as const))('the template %s', (name, template) => {
  const good = given[name] ?? {}

  test('makes a policy that may be stored, names what it is about, and forbids', () => {
    expect(checkPolicy(cedar, fillTemplate(template, good), {})).toEqual({
      effect: 'forbid',
      isUnscoped: false,
      warnings: [],
    })
  })

  test('has the places that it has parameters for', () => {
    const places = [...template.cedar.matchAll(/\$(\w+)/g)].map(([, place = '']) => place)
    expect([...new Set(places)].toSorted()).toEqual(template.parameters.map((each) => each.name).toSorted())
  })

  test('takes no parameter that it does not have', () => {
    expect(() => fillTemplate(template, { ...good, more: 'x' })).toThrow('parameters.more: is no parameter here')
  })

  test('is one policy of the same form, whatever text it is given', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const filled = fillOrRefuse(template, withText(good, text))
        if (filled === undefined) return
        const [expected, got] = [fillTemplate(template, good), filled].map((each) => shapeOf(each))
        expect(got).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })
})

test.each([
  ['business-hours', { from: '24:00' }, /parameters\.from: is a time of day/],
  ['business-hours', { from: '09:00") || true) };' }, /parameters\.from/],
  ['business-hours', { days: [] }, /parameters\.days/],
  ['address-allow-list', {}, /parameters\.addresses: is missing/],
  ['address-allow-list', { addresses: ['10.0.0.0/8")) || (ip("::/0'] }, /parameters\.addresses/],
  ['address-allow-list', { addresses: ['::ffff:10.0.0.1'] }, /IPv4 address inside IPv6/],
  ['trust-floor', { label: 'pii', minimum: 1.5 }, /parameters\.minimum/],
  ['trust-floor', { label: 'pii', minimum: 'decimal("0")' }, /parameters\.minimum/],
  ['deny-resource-type', { type: ['a'] }, /parameters\.type/],
])('%s refuses %j', (name, parameters, message) => {
  const template = templates.find((each) => each.template === name)
  expect(() => template && fillTemplate(template, parameters)).toThrow(message)
})

/** Text that would end a string, begin a comment, or be taken for a place. */
const hostile = fc
  .array(
    fc.constantFrom(
      '"',
      '\\',
      '$type',
      '$actions',
      '// ',
      '\n',
      ') };',
      'permit(principal, action, resource);',
      'é🙂',
      '*',
      '\u202e',
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

function withText(good: Record<string, string | number | string[]>, text: string) {
  return Object.fromEntries(
    Object.entries(good).map(([name, value]) => [
      name,
      typeof value === 'string' ? text : Array.isArray(value) ? [text] : value,
    ]),
  )
}

function fillOrRefuse(
  template: (typeof templates)[number],
  parameters: ReturnType<typeof withText>,
): string | undefined {
  try {
    return fillTemplate(template, parameters)
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

/** The syntax tree without what its texts say. */
function shapeOf(policy: string): unknown {
  const answer = cedar.policyToJson(policy)
  if (answer.type === 'failure') return answer.errors
  return JSON.parse(JSON.stringify(answer.json), (_key, value: unknown) => (typeof value === 'string' ? '…' : value))
}
