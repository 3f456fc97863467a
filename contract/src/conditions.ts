import { z } from 'zod'

/** Most address ranges of one condition: each is looked at with every decision. */
const addressRangesMax = 32
/** Highest quota: far beyond what anybody decides in a day, far below what a number holds. */
const quotaMax = 1_000_000_000

const TimeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'is a time of day, such as 09:00')

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export const Weekday = z.enum(weekdays)

/** From one time of day until another, which may be that of the next day; it counts as the day on which it begins. */
export const TimeWindow = z.strictObject({
  /** Every day when absent. */
  days: z.array(Weekday).min(1).max(weekdays.length).optional(),
  from: TimeOfDay,
  to: TimeOfDay,
  /** A name of the IANA time-zone database. */
  timeZone: z.string().max(64).refine(isTimeZone, 'is not a time zone, such as Europe/Vienna').default('UTC'),
})

/** Ranges in CIDR notation; one address is a range too. */
export const AddressRange = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()])

export const Quota = z
  .strictObject({
    /** Per hour of UTC. */
    perHour: z.int().min(1).max(quotaMax).optional(),
    /** Per day of UTC. */
    perDay: z.int().min(1).max(quotaMax).optional(),
  })
  .refine(({ perHour, perDay }) => perHour !== undefined || perDay !== undefined, 'names no quota')

/** Under which circumstances a grant counts: all that are named. */
export const GrantConditions = z.strictObject({
  timeWindow: TimeWindow.optional(),
  addresses: z.array(AddressRange).min(1).max(addressRangesMax).optional(),
  /** What the resource’s id begins with. */
  resourcePrefix: z.string().min(1).max(200).optional(),
  /** How many decisions may rest on the grant. */
  quota: Quota.optional(),
})
export type GrantConditions = z.output<typeof GrantConditions>

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
