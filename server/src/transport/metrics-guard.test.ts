import { expect, test } from 'vitest'
import { isOnlyLocal, requireMetricsToken } from './metrics-guard.ts'

test.each([
  ['http://localhost:9000', true, true],
  ['http://127.0.0.1:9000', true, true],
  ['http://[::1]:9000', true, true],
  ['https://iam.example.com', true, false],
  ['https://127.example.com', true, false],
  ['http://localhost:9000', false, false],
])(
  'reached at %s, bound to a loopback address: %s, we are only for this machine: %s',
  (publicUrl, isLoopback, isLocal) => {
    expect(isOnlyLocal({ publicUrl, isLoopback })).toBe(isLocal)
  },
)

const token = 'a token for metrics'
test.each([
  ['nobody needs a token where only this machine can ask', undefined, undefined, true, true],
  ['behind a proxy nobody may ask without a token configured', undefined, undefined, false, false],
  ['nor with any token', undefined, 'Bearer undefined', false, false],
  ['a configured token is asked for everywhere', token, undefined, true, false],
  ['another is none', token, 'Bearer another', true, false],
  ['its bearer may', token, `Bearer ${token}`, false, true],
])('%s', (_what, configured, authorization, isLocal, isLetIn) => {
  const refusals: unknown[] = []
  try {
    requireMetricsToken(configured, authorization, isLocal)
  } catch (error) {
    refusals.push(error)
  }
  expect(refusals).toEqual(isLetIn ? [] : [expect.objectContaining({ code: 'unauthenticated' })])
})
