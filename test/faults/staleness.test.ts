import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { StalenessSeries, tellLastUse } from './staleness.ts'

/** Two servers start, and trees are revoked under load until enough was decided. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 })

/** As many decisions as a run for everyday may take; `npm run faults -- --decisions 100000` is the whole. */
const decisions = 3000
const timed = 8

let series: StalenessSeries

beforeAll(async () => {
  series = await StalenessSeries.open()
})
afterAll(() => series.close())

test('without the epoch check, a revocation high in a tree is followed by allows of the other server', async () => {
  const putBack = await series.takeOutEpochCheck()
  const found = await series.findStale(decisions / 10)
  await putBack()
  console.log('without the epoch check:', found)
  expect(found.staleAllows).toBeGreaterThan(0)
})

test('with it, nobody below is allowed anything after the revocation, whichever server decides', async () => {
  const found = await series.findStale(decisions)
  console.log('with the epoch check:', found)
  expect(found.decisions).toBeGreaterThanOrEqual(decisions)
  expect(found.underLoad).toBe(found.revocations)
  expect(found.staleAllows).toBe(0)
})

test('what was revoked at one server is soon accepted nowhere', async () => {
  const uses = await series.timeLastUses(timed)
  console.log(tellLastUse(uses))
  expect(Math.max(...uses.decisionMs, ...uses.validationMs)).toBeLessThan(1000)
})
