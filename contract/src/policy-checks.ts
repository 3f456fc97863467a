import { z } from 'zod'
import { operation } from './operation.ts'
import { PolicyEffect, PolicyText } from './policies.ts'

/** What is wrong with a text, or odd, and where: lines and columns count from 1. */
export const PolicyFault = z.object({ message: z.string(), line: z.int().optional(), column: z.int().optional() })

export const validatePolicy = operation({
  id: 'validatePolicy',
  cost: { base: 5 },
  method: 'POST',
  path: '/api/v1/policies/validate',
  action: 'policies:create',
  summary: 'Says whether a text is a policy that could be stored, and what is wrong with it. It stores nothing.',
  body: z.strictObject({ policy: PolicyText }),
  status: 200,
  response: z.object({
    valid: z.boolean(),
    /** Null of a text that is not valid. */
    effect: PolicyEffect.nullable(),
    errors: z.array(PolicyFault),
    warnings: z.array(PolicyFault),
  }),
  problems: ['forbidden'],
  example: { body: { policy: 'permit(principal, action == AgentIam::Action::"read", resource);' } },
})
