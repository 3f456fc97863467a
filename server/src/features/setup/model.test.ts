import { expect, test } from 'vitest'
import { builtInRoles, firstExcess } from '../capabilities/model.ts'
import { embeddedEnrolment } from './model.ts'

test('the token of this machine hands out nothing that its owner, the administrator, does not hold', () => {
  expect(firstExcess(embeddedEnrolment.ceiling, builtInRoles.admin)).toBeUndefined()
})

test('of the platform itself it hands out only the right to delegate', () => {
  const hands = (entry: string) => firstExcess([entry], embeddedEnrolment.ceiling) === undefined
  expect(hands('agent-iam/agents*:delegate')).toBe(true)
  for (const more of ['agent-iam/agents*:read', 'agent-iam/agents*:*', 'agent-iam:delegate', 'agent-iam:*'])
    expect([more, hands(more)]).toEqual([more, false])
})
