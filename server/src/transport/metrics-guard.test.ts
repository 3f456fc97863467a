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
  ['nobody needs a token where only this machine can ask', undefined, undefined, true],
  ['the bearer of the token may from everywhere', token, `Bearer ${token}`, false],
])('%s', (_what, configured, authorization, isLocal) => {
  expect(() => requireMetricsToken(configured, authorization, isLocal)).not.toThrow()
})

test.each([
  ['behind a proxy nobody may ask without a token configured', undefined, undefined, false],
  ['nor with any token', undefined, 'Bearer undefined', false],
  ['a configured token is asked for everywhere', token, undefined, true],
  ['another is none', token, 'Bearer another', true],
])('%s', (_what, configured, authorization, isLocal) => {
  expect(() => requireMetricsToken(configured, authorization, isLocal)).toThrow(/AGENT_IAM_METRICS_TOKEN/)
})
