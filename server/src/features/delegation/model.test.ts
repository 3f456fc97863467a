import type { IdentityId } from '@agent-iam/contract/ids'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { actClaim, lentScopes, narrowScopes, type SubjectSession } from './model.ts'

const subject: SubjectSession = {
  id: 'ses_1',
  identityId: 'usr_1',
  clientId: 'cli_1',
  actors: [],
  audience: 'https://files.example',
  scopes: ['files:read'],
  isWhole: false,
  entries: undefined,
  attenuation: undefined,
  delegator: undefined,
}

test('a chain names who acts now outermost', () => {
  expect(actClaim(['svc_1', 'agt_2', 'agt_3'])).toEqual({ sub: 'agt_3', act: { sub: 'agt_2', act: { sub: 'svc_1' } } })
  expect(actClaim([])).toBeUndefined()
})

test('every actor stands in the chain, in order', () => {
  const ids = fc.array(fc.uuid().map((hex): IdentityId => `agt_${hex}`))
  fc.assert(
    fc.property(ids, (actors) => {
      const found: string[] = []
      for (let act = actClaim(actors); act; act = act.act) found.unshift(act.sub)
      expect(found).toEqual(actors)
    }),
  )
})

test('a lent session reaches its own resource server, a whole login every one', () => {
  const target = { resource: 'https://mail.example', scopes: ['mail:send'] }
  expect(lentScopes(subject, target)).toBeUndefined()
  expect(lentScopes({ ...subject, isWhole: true }, target)).toEqual(['mail:send'])
  expect(lentScopes(subject, { resource: subject.audience, scopes: ['files:read', 'files:write'] })).toEqual([
    'files:read',
  ])
})

test('scopes only shrink, whatever is asked', () => {
  const scope = fc.constantFrom<string[]>('a', 'b', 'c', 'd')
  fc.assert(
    fc.property(fc.uniqueArray(scope), fc.option(fc.array(scope), { nil: undefined }), (lent, wanted) => {
      const narrowed = narrowScopes(wanted, lent)
      const isExcess = wanted?.some((each) => !lent.includes(each)) ?? false
      expect(narrowed === undefined).toBe(isExcess)
      expect(narrowed?.every((each) => lent.includes(each)) ?? true).toBe(true)
    }),
  )
})
