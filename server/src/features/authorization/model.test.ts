import { platformTenantId } from '@agent-iam/contract/ids'
import { expect, test } from 'vitest'
import { makeFacts } from '../../../test/made-facts.ts'
import { askForIdentity, type ActingIdentity, type Question } from './model.ts'

const [identity] = makeFacts([{ held: ['file:read'], isActive: true }]).hops
const now = new Date('2030-01-06T12:00:00Z')

function contextOf(about: Partial<ActingIdentity>, question: Partial<Question> = {}) {
  if (!identity) throw new Error('nobody was made')
  const asked = { tenantId: platformTenantId, action: 'read', resource: { type: 'file', id: 'a' }, resourceFacts: {} }
  const hop = {
    hop: 0,
    actor: identity.id,
    isChainWhole: true,
    scopes: [],
    isWithinBlocks: true,
    presented: [],
    roles: [],
  }
  return askForIdentity({ ...identity, ...about }, { ...asked, request: {}, now, address: '', ...question }, hop)
    .context
}

test.each([
  [undefined, false],
  [new Date(now.getTime() + 1), false],
  [now, true],
  [new Date(now.getTime() - 1), true],
])('at noon, who expires at %s has expired: %s', (expiresAt, expired) => {
  expect(contextOf({ expiresAt })).toMatchObject({ expired })
})

test.each([
  ['2030-01-06T23:59:59Z', 7],
  ['2030-01-07T00:00:00Z', 1],
])('the weekday of %s is %i', (instant, weekday) => {
  expect(contextOf({}, { now: new Date(instant) })).toMatchObject({ weekday })
})

test.each([
  ['::ffff:10.1.2.3', { __extn: { fn: 'ip', arg: '10.1.2.3' } }],
  ['fe80::1%eth0', { __extn: { fn: 'ip', arg: 'fe80::1' } }],
  ['', undefined],
  ['nowhere', undefined],
])('policies see of the address "%s" %j', (address, ip) => {
  expect(contextOf({}, { address })['ip']).toEqual(ip)
})
