import type { GrantConditions } from '@agent-iam/contract/conditions'

/** What a quota is counted in: hours and days of UTC, so that they begin for everybody at once. */
export const periods = ['hour', 'day'] as const
export type Period = (typeof periods)[number]

const periodMs: Readonly<Record<Period, number>> = { hour: 3_600_000, day: 86_400_000 }

/** When the hour or day of an instant began. */
export function periodStart(period: Period, at: Date): Date {
  return new Date(at.getTime() - (at.getTime() % periodMs[period]))
}

/** When it ends, and its quota is whole again. */
export function periodEnd(period: Period, at: Date): Date {
  return new Date(periodStart(period, at).getTime() + periodMs[period])
}

/** The most that is allowed in each period that the conditions name. */
export function quotaLimits({ quota }: GrantConditions): Array<{ readonly period: Period; readonly limit: number }> {
  const limits = { hour: quota?.perHour, day: quota?.perDay }
  return periods.flatMap((period) => {
    const limit = limits[period]
    return limit === undefined ? [] : [{ period, limit }]
  })
}
