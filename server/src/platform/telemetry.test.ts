import { expect, test } from 'vitest'
import { Telemetry } from './telemetry.ts'

test('each scrape tells what is true then', async () => {
  const now = { lag: 3, isShared: true }
  const telemetry = new Telemetry(
    () => now.lag,
    () => Promise.resolve(now.isShared),
  )
  expect(await telemetry.exposition()).toMatch(/^agent_iam_audit_lag_events 3$[^]*^agent_iam_shared_state_up 1$/m)
  Object.assign(now, { lag: 0, isShared: false })
  expect(await telemetry.exposition()).toMatch(/^agent_iam_audit_lag_events 0$[^]*^agent_iam_shared_state_up 0$/m)
})

test('decisions are counted by what they were', async () => {
  const telemetry = new Telemetry(
    () => 0,
    () => Promise.resolve(true),
  )
  telemetry.decisionAnswered('deny')
  telemetry.decisionAnswered('deny')
  expect(await telemetry.exposition()).toContain('agent_iam_decisions_total{decision="deny"} 2')
})
