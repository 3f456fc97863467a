import { platformTenantId, type PolicyId } from '@agent-iam/contract/ids'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { makeFacts } from '../../../test/made-facts.ts'
import { inNoWorld } from '../../../test/no-world.ts'
import type { Question } from '../authorization/model.ts'
import { decideAlong, Decider, type Rules } from '../authorization/service.ts'
import { builtInDefinitions } from '../capabilities/model.ts'
import { PolicyEngine } from '../policies/service.ts'
import { shadowVerdict } from './shadow-verdict.ts'

const { clock } = inNoWorld
const engines = [1, 2].map(() => new PolicyEngine({ clock }))
const [live, draft] = engines.map((engine) => new Decider(engine, { faults: [] }))
afterAll(() => Promise.all(engines.map((engine) => engine.close())))

const conditions = [
  'resource.id == "x"',
  'resource.type == "a"',
  'principal.id like "*1"',
  'context.hop == 1',
  'context.hop == 0 && resource.type == "b"',
  // Errs where the fact is missing.
  'context.request.n > 1',
]
const policies = fc
  .tuple(fc.constantFrom('permit', 'forbid'), fc.constantFrom(...conditions))
  .map(([effect, when]) => ({
    effect: effect === 'permit' ? ('permit' as const) : ('forbid' as const),
    cedar: `${effect}(principal, action, resource) when { ${when} };`,
  }))

const grants = fc.subarray(['a:read', 'b:read', 'c:read'], { minLength: 1 })
const hops = fc.array(fc.record({ held: grants, isActive: fc.constantFrom(true, true, true, false) }), {
  minLength: 1,
  maxLength: 2,
})

/** Who acts gets the right by the draft alone; who lends it authority has it by a policy in force. */
const nearestOnly: [
  Array<{ held: string[]; isActive: boolean }>,
  Array<{ effect: 'permit' | 'forbid'; cedar: string }>,
  { effect: 'permit' | 'forbid'; cedar: string },
  { type: string; n: number | null },
] = [
  [
    { held: ['a:read'], isActive: true },
    { held: ['a:read'], isActive: true },
  ],
  [{ effect: 'permit', cedar: 'permit(principal, action, resource) when { context.hop == 1 };' }],
  { effect: 'permit', cedar: 'permit(principal, action, resource) when { context.hop == 0 };' },
  { type: 'b', n: null },
]

test('what a shadowed draft would have decided is what is decided once it is in force', async () => {
  if (!live || !draft) throw new Error('there are two deciders')
  let differing = 0
  let number = 0
  const asked = fc.record({ type: fc.constantFrom('a', 'b', 'c'), n: fc.option(fc.integer({ min: 0, max: 3 })) })
  await fc.assert(
    fc.asyncProperty(
      hops,
      fc.array(policies, { maxLength: 1 }),
      policies,
      asked,
      async (chain, some, added, { type, n }) => {
        const facts = makeFacts(chain)
        const run = `run ${++number}`
        const rules: Rules = {
          policies: {
            tenantId: platformTenantId,
            version: run,
            policies: some.map((policy, place) => ({ id: `pol_${place}`, title: `policy ${place}`, ...policy })),
          },
          definitions: {
            version: 1,
            roles: builtInDefinitions,
            resources: { types: new Map(), thresholds: { byLabel: {}, byRisk: {} } },
          },
        }
        const question: Question = {
          tenantId: platformTenantId,
          action: 'read',
          resource: { type, id: 'x' },
          resourceFacts: {},
          request: n === null ? {} : { n },
          now: new Date('2030-01-01T12:00:00Z'),
          address: '',
        }
        const policyId: PolicyId = 'pol_draft'
        const before = await decideAlong({ decider: live, rules, ctx: inNoWorld }, facts, question)
        const own = { id: policyId, title: 'the draft', ...added }
        const together = {
          tenantId: platformTenantId,
          version: `${run} after`,
          policies: [...rules.policies.policies, own],
        }
        const after = await decideAlong(
          { decider: live, rules: { ...rules, policies: together }, ctx: inNoWorld },
          facts,
          question,
        )
        const shadowed = await shadowVerdict(
          inNoWorld,
          draft,
          { decisionId: 'dec_1', facts, question, verdict: before, rules },
          {
            ...added,
            policyId,
            run: `${run} shadow`,
            version: 1,
            name: 'the draft',
            startedBy: 'usr_1',
            startedAt: new Date(0),
          },
        )
        if (before.decision !== after.decision) differing += 1
        expect(shadowed.would).toBe(after.decision)
      },
    ),
    { numRuns: 250, examples: [nearestOnly] },
  )
  expect(differing).toBeGreaterThan(25)
})
