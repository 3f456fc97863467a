import { capabilitiesMax } from '@agent-iam/contract/capabilities'
import type { CapabilityGrant, QuotaUse } from '@agent-iam/contract/grants'
import type { GrantConditions } from '@agent-iam/contract/conditions'
import type { GrantId, IdentityId } from '@agent-iam/contract/ids'
import { periodEnd, quotaLimits } from '../capabilities/model.ts'
import type { Use } from '../capabilities/service.ts'

/** Most grants of one identity: as many as an agent may be registered with. */
export const grantsMax = capabilitiesMax

/** A capability that was granted to an identity. */
export interface Grant {
  readonly id: GrantId
  readonly identityId: IdentityId
  readonly entry: string
  readonly conditions: GrantConditions | undefined
  readonly validFrom: Date | undefined
  readonly expiresAt: Date | undefined
  readonly grantedBy: string
  readonly grantedAt: Date
  /** Whether it rests on nothing but rights of its grantor's own: no session and no agent. */
  readonly standsAlone: boolean
}

/** A grant with what of its quota is used at an instant. */
export interface GrantView {
  readonly grant: Grant
  readonly quota: QuotaUse | undefined
}

/** All that an identity holds by itself. */
export interface GrantsView {
  readonly grants: readonly GrantView[]
  readonly labels: readonly string[]
}

export interface WantedGrant {
  readonly entry: string
  readonly conditions: GrantConditions | undefined
  readonly validFrom: Date | undefined
  readonly expiresAt: Date | undefined
}

/** Of a grant's quota, how much is used and left in the hour and the day of an instant. */
export function quotaUse(
  grantId: GrantId | undefined,
  conditions: GrantConditions | undefined,
  { uses, now }: { readonly uses: readonly Use[]; readonly now: Date },
): QuotaUse | undefined {
  if (!grantId || !conditions?.quota) return undefined
  const entries = quotaLimits(conditions).map(({ period, limit }) => {
    const used = uses.find((use) => use.grantId === grantId && use.period === period)?.used ?? 0
    const resetsAt = periodEnd(period, now).toISOString()
    return [
      period === 'hour' ? 'perHour' : 'perDay',
      { limit, used, left: Math.max(0, limit - used), resetsAt },
    ] as const
  })
  return Object.fromEntries(entries)
}

export function toWire({ grant, quota }: GrantView): CapabilityGrant {
  return {
    grantId: grant.id,
    identityId: grant.identityId,
    capability: grant.entry,
    conditions: grant.conditions ?? null,
    validFrom: grant.validFrom?.toISOString() ?? null,
    expiresAt: grant.expiresAt?.toISOString() ?? null,
    grantedBy: grant.grantedBy,
    grantedAt: grant.grantedAt.toISOString(),
    quota: quota ?? null,
  }
}
