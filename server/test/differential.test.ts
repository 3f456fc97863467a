import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { PolicyEngine } from '../src/features/policies/engine.ts'
import type { CedarRequest } from '../src/features/policies/cedar-json.ts'
import type { PolicySet } from '../src/features/policies/selection.ts'
import type { Verdict } from '../src/features/policies/verdict.ts'
import { plainVerdict, type PlainVerdict } from './plain-verdict.ts'
import { TestClock } from './policy-engine.ts'
import { cases } from './random-policies.ts'

/** Random sets to try: `CASES=100000 npm test -- server/test/differential.test.ts` for a night. */
const numRuns = Number(process.env['CASES'] ?? 2_000)
const timeout = 60_000 + numRuns * 60

const clock = new TestClock()
const here = new PolicyEngine({ clock, slots: 64 })
const often = new PolicyEngine({ clock })
const away = new PolicyEngine({ clock, hereMicrosecondsMax: -1 })
afterAll(async () => {
  await here.close()
  await often.close()
  await away.close()
})

/** How many answers were of which kind: cases that nearly all end alike would show little. */
const told = { all: 0, faults: 0, allows: 0, errors: 0 }

async function expectSame(engine: PolicyEngine, set: PolicySet, request: CedarRequest): Promise<void> {
  const verdict = await engine.evaluate(set, request)
  told.all += 1
  if (verdict.fault) told.faults += 1
  if (verdict.decision === 'allow') told.allows += 1
  if (verdict.errors.length > 0) told.errors += 1
  expect(toPlain(verdict)).toEqual(plainVerdict(set, request))
}

function toPlain({ decision, reasons, errors, fault }: Verdict): PlainVerdict | undefined {
  if (fault) return undefined
  return {
    decision,
    reasons: reasons.map(({ policyId }) => policyId).toSorted(),
    errors: errors.map(({ policyId, message }) => `${policyId}: ${message}`),
  }
}

test('slices and remembered verdicts say what all policies together say', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ set, requests }) => {
      for (const request of requests) await expectSame(here, set, request)
    }),
    { numRuns },
  )
  expect(told.faults).toBeLessThan(told.all / 10)
  expect(Math.min(told.allows, told.errors)).toBeGreaterThan(told.all / 20)
  expect(here.memoCounts.hits).toBeGreaterThan(numRuns)
})

test('the thread for large sets says the same', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ set, requests }) => {
      for (const request of requests) await expectSame(away, set, request)
    }),
    { numRuns: Math.ceil(numRuns / 20) },
  )
  expect(away.memoCounts.hits).toBeGreaterThan(0)
})

test('a slice that is asked for often, and so prepared as a whole, says the same', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ set, requests: [request] }) => {
      if (!request) return
      // Another entity each time, though it concerns nobody, makes it another request.
      for (let place = 0; place < 30; place++) {
        const entities = [
          ...request.entities,
          { uid: { type: 'AgentIam::Role', id: `r${place}` }, attrs: {}, parents: [] },
        ]
        await expectSame(often, set, { ...request, entities })
      }
    }),
    { numRuns: Math.ceil(numRuns / 100) },
  )
  expect(often.memoCounts.hits).toBe(0)
})
