import { z } from 'zod'
import { operation } from './operation.ts'
import { ActionRisk } from './resource-types.ts'
import { Label } from './resources.ts'
import { Instant } from './text.ts'

/** Most labels that a tenant sets a threshold for. */
const labelThresholdsMax = 100

/** A trust score, of four places as Cedar’s decimals have. */
const Threshold = z
  .number()
  .min(0)
  .max(1)
  .refine((score) => Number(score.toFixed(4)) === score, 'has more than four places')

const content = {
  /** What an agent needs for a resource with the label. */
  byLabel: z
    .record(Label, Threshold)
    .refine((all) => Object.keys(all).length <= labelThresholdsMax, `has more than ${labelThresholdsMax}`)
    .default({}),
  /** What an agent needs for an action of the risk, as the resource’s type declares it. */
  byRisk: z.partialRecord(ActionRisk, Threshold).default({}),
}

/** The least trust score that an agent needs; the highest of all that fit counts. */
export const TrustThresholds = z.object({
  byLabel: z.record(z.string(), z.number()),
  byRisk: z.partialRecord(ActionRisk, z.number()),
  revision: z.int(),
  /** Null: nothing was ever set. */
  updatedAt: Instant.nullable(),
})
export type TrustThresholds = z.infer<typeof TrustThresholds>

export const getTrustThresholds = operation({
  id: 'getTrustThresholds',
  method: 'GET',
  path: '/api/v1/authz/trust-thresholds',
  action: 'trust-thresholds:read',
  summary: 'Shows how far an agent must be trusted for labelled resources and risky actions.',
  status: 200,
  response: TrustThresholds,
  hasRevision: true,
  problems: ['forbidden'],
  example: {},
})

export const setTrustThresholds = operation({
  id: 'setTrustThresholds',
  method: 'PUT',
  path: '/api/v1/authz/trust-thresholds',
  action: 'trust-thresholds:update',
  summary: 'Sets how far an agent must be trusted; what is not named is not asked for.',
  body: z.strictObject(content),
  status: 200,
  response: TrustThresholds,
  hasRevision: true,
  problems: ['forbidden'],
  example: { body: { byLabel: { pii: 0.6 }, byRisk: { high: 0.7 } } },
})
