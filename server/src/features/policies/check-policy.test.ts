import { describe, expect, test } from 'vitest'
import { loadCedar } from './cedar-instance.ts'
import { checkPolicy, type DeclaredAttributes } from './check-policy.ts'
import { systemPolicies } from './system-policies.ts'
import { buildSchema } from './schema.ts'

const cedar = loadCedar()
const check = (text: string, declared: DeclaredAttributes = {}) => checkPolicy(cedar, text, declared)
const when = (expression: string) => check(`permit(principal, action, resource) when { ${expression} };`)
const errorsOf = (answer: ReturnType<typeof check>) => ('errors' in answer ? answer.errors : [])
const messageOf = (answer: ReturnType<typeof check>) => errorsOf(answer)[0]?.message

describe('a policy that may be stored', () => {
  test.each([
    ['permit(principal, action, resource);', 'permit'],
    [
      'forbid(principal, action == AgentIam::Action::"write", resource) when { resource.type == "production" };',
      'forbid',
    ],
    ['forbid(principal, action == AgentIam::Action::"agents:delete", resource);', 'forbid'],
    [
      'permit(principal in AgentIam::Role::"reader", action in [AgentIam::Action::"a", AgentIam::Action::"b"], resource);',
      'permit',
    ],
    [
      'permit(principal is AgentIam::Agent, action, resource) when { principal.trustScore.greaterThan(decimal("0.8")) };',
      'permit',
    ],
    [
      'permit(principal, action, resource) unless { context.hop > 0 } when { context.now < datetime("2030-01-01") };',
      'permit',
    ],
    ['forbid(principal, action == AgentIam::Action::"say \\"no\\"", resource);', 'forbid'],
    ['permit(principal, action, resource) when { resource has owner && resource.owner == principal.id };', 'permit'],
  ])('%s', (text, effect) => {
    expect(check(text)).toMatchObject({ effect })
  })

  test.each([
    ['context.request.purpose == "indexing"'],
    ['context.request.amount > 100'],
    ['context.request.amount + context.request.tip <= 100'],
    ['context.request.urgent'],
    ['!context.request.urgent && context.request.path like "docs/*"'],
    ['context.request.tags.contains("public")'],
    ['context.request.tags.containsAny([1, 2])'],
    ['context.request.score.lessThan(decimal("0.5"))'],
    ['context.request.source.isInRange(ip("10.0.0.0/8"))'],
    ['context.request.deadline > context.now'],
    ['context.request.wait < duration("1h")'],
    ['context.request.a == context.request.b && context.request.b < 3'],
    ['[1, context.request.a].contains(context.request.b)'],
    ['context.request.order.total > 3 && context.request.order.by.name == principal.id'],
    ['context.request has order.total && context.request.order.total > 3'],
    ['context.request["__proto__"] == "x" && context.request.constructor > 1'],
    ['if context.request.a then context.request.b > 1 else context.request.c.contains("x")'],
    ['resource.id == "резюме-v2" || resource == AgentIam::Resource::"file/резюме"'],
    ['action == AgentIam::Action::"🚀" && context.request.urgent'],
  ])('finds the types of what callers send: %s', (expression) => {
    expect(when(expression)).toMatchObject({ effect: 'permit' })
  })
})

describe('a policy that is refused', () => {
  test('for its spelling, with line and column in characters', () => {
    expect(errorsOf(check('permit(principal, action,\n resource) when { "éé🙂" == };'))).toEqual([
      { message: expect.stringMatching(/^unexpected token `}`; expected/), line: 2, column: 28 },
    ])
  })

  test.each([
    ['', /unexpected end of input/],
    ['// nothing', /unexpected end of input/],
    ['permit(principal, action, resource); forbid(principal, action, resource);', /the text holds 2/],
    ['permit(principal == ?principal, action, resource);', /got a template containing the slot \?principal/],
    ['permit(principal, action, resource); permit(principal == ?principal, action, resource);', /the text holds 2/],
    [
      'permit(principal is AgentIam::Agnt, action, resource);',
      /unrecognized entity type .*did you mean `AgentIam::Agent`/,
    ],
    ['permit(principal, action == Action::"read", resource);', /unrecognized action/],
    ['permit(principal, action == AgentIam::Action::"agents:read", resource);', /cannot permit platform actions/],
    [
      'permit(principal, action in [AgentIam::Action::"a", AgentIam::Action::"b:c"], resource);',
      /cannot permit platform/,
    ],
    [
      'permit(principal, action, resource) when { action == AgentIam::Action::"x:y" };',
      /cannot permit platform actions/,
    ],
  ])('%j', (text, message) => {
    expect(messageOf(check(text))).toMatch(message)
  })

  test.each([
    ['1 == 2', /impossible/],
    ['principal.status == 3', /are not compatible/],
    ['resource.ownr == "x"', /did you mean `owner`/],
    ['resource.owner == "x"', /testing for the attribute's presence/],
    ['context.requst.a == 1', /did you mean `request`/],
    ['context.request has a || context.request.a == 1', /testing for the attribute's presence/],
    ['context.request.a == "x" && context.request.a > 4', /expected Long but saw String/],
    ['resource.id == "a\u202eb"', /BIDI/],
    ['resource == AgentIam::Resource::"file/a\\nb"', /identifier .* contains the character/],
    ['unknown("x")', /cannot be evaluated/],
    ['context.hop < 9007199254740993', /beyond/],
    ['context.hop > -9007199254740992', /beyond/],
    ['context.hop == 99999999999999999999', /too large/],
    ['datetime("soon") < context.now', /failed to parse as a datetime/],
    [Array.from({ length: 17 }, (_, index) => `context.request.a${index}`).join(' || '), /more than 16 attributes/],
  ])('when %s', (expression, message) => {
    expect(messageOf(when(expression))).toMatch(message)
  })

  test('with an error at each place, in the order of the text, once', () => {
    const places = errorsOf(
      check('permit(principal, action, resource)\nwhen { principal.a == 1 }\nwhen { principal.b == 1 };'),
    )
    expect(places.map(({ line, column }) => [line, column])).toEqual([
      [2, 8],
      [3, 8],
    ])
  })
})

describe('attributes of resources', () => {
  const declared: DeclaredAttributes = {
    size: { type: 'Long' },
    tags: { type: 'Set', element: { type: 'String' } },
    place: { type: 'Record', attributes: { city: { type: 'String' }, floor: { type: 'Long', required: false } } },
  }
  const whenDeclared = (expression: string) =>
    check(`permit(principal, action, resource)\n  when { ${expression} };`, declared)

  test.each([
    ['resource has attributes.size && resource.attributes.size > 3'],
    ['resource has attributes && resource.attributes has size && resource.attributes.size > 3'],
    ['resource has attributes.tags && resource.attributes.tags.contains("x")'],
    ['resource has attributes.place.floor && resource.attributes.place.floor == 2'],
    ['resource has attributes.place && resource.attributes.place.city == "Wien"'],
    ['resource has attributes.size && context.request.limit > resource.attributes.size'],
    ['resource has attributes.size && resource["attributes"]["size"] > 3'],
    ['context has ip && context.ip.isInRange(ip("10.0.0.0/8"))'],
    ['context.weekday <= 5'],
    ['principal is AgentIam::Agent && principal.trustScore.lessThan(context.trustMin)'],
    ['resource has labels && resource.labels.containsAny(["pii", "phi"])'],
    ['resource in AgentIam::Resource::"folder/a"'],
  ])('%s is good', (expression) => {
    expect(whenDeclared(expression)).toEqual({ effect: 'permit', isUnscoped: true, warnings: [] })
  })

  test.each([
    ['resource.attributes.size > 3', /attributes|presence/, [2, 10]],
    ['resource has attributes && resource.attributes.size > 3', /presence/, [2, 36]],
    ['resource has attributes.size && resource.attributes.size == "3"', /not compatible|expected/, [2, 43]],
    ['resource has attributes.size && resource.attributes.size.contains("3")', /expected/, [2, 43]],
    ['resource has attributes.place && resource.attributes.place.street == "x"', /street/, [2, 44]],
    ['resource.labels.contains("pii")', /presence/, [2, 10]],
    ['context.ip.isLoopback()', /presence/, [2, 10]],
  ])('%s is refused, with its place', (expression, message, [line]) => {
    const [error] = errorsOf(whenDeclared(expression))
    expect(error?.message).toMatch(message)
    expect(error?.line).toBe(line)
    expect(error?.column).toBeGreaterThan(1)
  })

  test('what nobody declared is taken as it is used, with a warning at its first place', () => {
    const text = `permit(principal, action, resource) when {
  // resource.attributes.colour is not this one
  context.request.colour > 1 && resource.id != "attributes.colour" && resource has attributes.colour && resource.attributes.colour like "r*"
    && resource.attributes has "my shade" && resource.attributes["my shade"] > 3
};`
    expect(check(text, declared)).toEqual({
      effect: 'permit',
      isUnscoped: true,
      warnings: [
        { message: 'no resource type declares the attribute colour', line: 3, column: 95 },
        { message: 'no resource type declares the attribute my shade', line: 4, column: 32 },
      ],
    })
  })

  test('an undeclared attribute must be one type, and its presence tested', () => {
    const mixed = 'resource has attributes.c && resource.attributes.c == "x" && resource.attributes.c > 3'
    expect(messageOf(whenDeclared(mixed))).toMatch(/expected Long but saw String|not compatible/)
    expect(messageOf(whenDeclared('resource.attributes.c == "x"'))).toMatch(/presence/)
  })
})

describe('size', () => {
  const chain = (length: number) => when(Array.from({ length }, () => 'true').join(' && '))
  const inBrackets = (depth: number) => when(`${'('.repeat(depth)}true${')'.repeat(depth)}`)
  const clauses = (count: number) => check(`permit(principal, action, resource)${' when { true }'.repeat(count)};`)
  const wide = (count: number) => when(`[${Array.from({ length: count }, (_, index) => index).join(',')}].contains(3)`)

  test.each([
    ['a chain of 64', chain(64)],
    ['63 brackets in the clause’s own', inBrackets(63)],
    ['64 clauses', clauses(64)],
    ['2,000 nodes', wide(1997)],
    [
      'brackets in strings and comments',
      when(`resource.id == "${'('.repeat(99)}\\"${'('.repeat(99)}" // ${'('.repeat(99)}\n`),
    ],
  ])('%s may be stored', (_name, answer) => {
    expect(answer).toMatchObject({ effect: 'permit' })
  })

  test.each([
    ['a chain of 65', chain(65), /deeper than 64/],
    ['64 brackets in the clause’s own', inBrackets(64), /brackets are nested deeper than 64/],
    ['10,000 brackets', inBrackets(10_000), /brackets are nested deeper than 64/],
    ['65 clauses', clauses(65), /deeper than 64/],
    ['2,001 nodes', wide(1998), /more than 2000 nodes/],
  ])('%s is refused', (_name, answer, message) => {
    expect(messageOf(answer)).toMatch(message)
  })

  test('a string that never ends is found out in one reading', () => {
    expect(messageOf(check(`permit(principal, action, resource) when { "${'\\"'.repeat(500_000)}`))).toMatch(
      /invalid token/,
    )
  })
})

test.each(systemPolicies.map((policy) => [policy.id, policy] as const))(
  '%s is valid against the schema',
  (_id, policy) => {
    const named = [...policy.cedar.matchAll(/AgentIam::Action::"([^"]+)"/g)].map(([, action = '']) => action)
    const actions = [...new Set([...named, 'read'])]
    const policies = { staticPolicies: { [policy.id]: policy.cedar } }
    const answer = cedar.validate({
      schema: buildSchema(actions, { request: {}, attributes: {} }),
      policies,
      validationSettings: { mode: 'strict' },
    })
    expect(answer).toMatchObject({ type: 'success', validationErrors: [], validationWarnings: [] })
  },
)

test.each([
  ['permit(principal, action, resource) when { resource.type == "x" };', true],
  ['permit(principal is AgentIam::Agent, action, resource);', false],
  ['permit(principal, action == AgentIam::Action::"read", resource);', false],
  ['permit(principal, action, resource == AgentIam::Resource::"file/a");', false],
])('%s is unscoped: %s', (text, isUnscoped) => {
  expect(check(text)).toEqual({ effect: 'permit', isUnscoped, warnings: [] })
})
