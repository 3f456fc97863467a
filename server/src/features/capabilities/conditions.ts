import { weekdays, type GrantConditions } from '@agent-iam/contract/conditions'
import { isWithinRange } from '../../platform/address-network.ts'
import type { ResourceName } from './model.ts'

/** What conditions look at. */
export interface Circumstances {
  readonly now: Date
  /** Empty for what comes from no address, which lies within no range. */
  readonly address: string
  readonly resource: ResourceName
}

/** Whether all conditions hold but the quota, which is counted where the decision is recorded. */
export function conditionsHold(conditions: GrantConditions, circumstances: Circumstances): boolean {
  return checkedConditions.every((condition) => isMet[condition](conditions, circumstances))
}

/** The conditions that do not hold; the quota is none of them. */
export function unmetConditions(conditions: GrantConditions, circumstances: Circumstances): CheckedCondition[] {
  return checkedConditions.filter((condition) => !isMet[condition](conditions, circumstances))
}

/** The cheapest first. */
const checkedConditions = ['resourcePrefix', 'addresses', 'timeWindow'] as const
type CheckedCondition = (typeof checkedConditions)[number]

const isMet: Record<CheckedCondition, (conditions: GrantConditions, circumstances: Circumstances) => boolean> = {
  resourcePrefix: ({ resourcePrefix }, { resource }) =>
    resourcePrefix === undefined || resource.id.startsWith(resourcePrefix),
  addresses: ({ addresses }, { address }) => !addresses || addresses.some((range) => isWithinRange(address, range)),
  timeWindow: ({ timeWindow }, { now }) => !timeWindow || isWithinWindow(timeWindow, now),
}

/** Conditions as an event shows them to all who read the log: not the addresses, which are personal and sealed. */
export function openConditions(conditions: GrantConditions): string {
  const { addresses, ...open } = conditions
  return JSON.stringify({ ...open, ...(addresses && { addresses: 'sealed' }) })
}

type TimeWindow = NonNullable<GrantConditions['timeWindow']>

const minutesOfDay = 1440

/** A window that ends no later than it begins lasts into the next day, and counts as the day on which it began. */
function isWithinWindow({ days, from, to, timeZone }: TimeWindow, now: Date): boolean {
  const { weekday, minutes } = localTime(now, timeZone)
  const [begin, end] = [minutesOf(from), minutesOf(to)]
  const isOvernight = end <= begin
  const isEarly = isOvernight && minutes < end
  const isInside = isOvernight ? isEarly || minutes >= begin : minutes >= begin && minutes < end
  const beginsOn = isEarly ? (weekday + weekdays.length - 1) % weekdays.length : weekday
  return isInside && (!days || days.some((day) => weekdays.indexOf(day) === beginsOn))
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return (hours * 60 + minutes) % minutesOfDay
}

/** Formats are dear to make, and few zones are used. */
const formats = new Map<string, Intl.DateTimeFormat>()

function localTime(now: Date, timeZone: string): { weekday: number; minutes: number } {
  const options = { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-US', options)
  formats.set(timeZone, format)
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]))
  const weekday = weekdays.findIndex((day) => day === parts.get('weekday')?.toLowerCase())
  return { weekday, minutes: minutesOf(`${parts.get('hour')}:${parts.get('minute')}`) }
}
