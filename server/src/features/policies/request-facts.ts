import { isIP } from 'node:net'
import type { Json, OpenObject } from '@agent-iam/contract/json'
import { Problem } from '../../platform/problem.ts'
import type { CedarJson } from './cedar-json.ts'

/**
 * What a caller sent as context, in Cedar's words, for `context.request`.
 *
 * Cedar has no null, so a null is a fact not given; a fraction becomes a decimal, which has four places. Values with a type
 * of Cedar's own are sent as it writes them: `{ "__extn": { "fn": "ip", "arg": "10.0.0.1" } }`. What cannot be said in Cedar
 * is refused rather than dropped: a forbid may depend on it.
 */
export function toRequestFacts(context: OpenObject): Record<string, CedarJson> {
  return toRecord(context, 'context')
}

function toRecord(members: Readonly<Record<string, Json>>, field: string): Record<string, CedarJson> {
  if (Object.keys(members).some((key) => key.startsWith('__')))
    throw refusal(field, 'names that begin with __ are Cedar’s own; a fact cannot name an entity, send its id as text')
  const given = Object.entries(members).filter((member): member is [string, Exclude<Json, null>] => member[1] !== null)
  return Object.fromEntries(given.map(([key, value]) => [key, toFact(value, `${field}.${key}`)]))
}

function toFact(value: Json, field: string): CedarJson {
  if (value === null) throw refusal(field, 'a list cannot hold null')
  if (typeof value === 'number') return toNumber(value, field)
  if (typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((item, index) => toFact(item, `${field}.${index}`))

  if ('__extn' in value) return toExtension(value, field)
  return toRecord(value, field)
}

function toNumber(value: number, field: string): CedarJson {
  if (Number.isSafeInteger(value)) return value
  const places = value.toFixed(4)
  if (Number(places) !== value || Math.abs(value) > decimalMax)
    throw refusal(field, 'a fraction has four places at most; send it as text or as a whole number')
  return { __extn: { fn: 'decimal', arg: places } }
}

function toExtension(value: Readonly<Record<string, Json>>, field: string): CedarJson {
  const extension = value['__extn']
  const isAlone = Object.keys(value).length === 1 && typeof extension === 'object' && !Array.isArray(extension)
  const [fn, arg] = isAlone ? [extension?.['fn'], extension?.['arg']] : []
  if (typeof fn !== 'string' || typeof arg !== 'string' || extensionForms.get(fn)?.(arg) !== true)
    throw refusal(field, '__extn is {"fn": "ip" | "decimal" | "datetime" | "duration", "arg": text of that form}')
  return { __extn: { fn, arg } }
}

/** Cedar keeps decimals in 64 bits, counted in ten-thousandths. */
const decimalMax = 922_337_203_685_477

/** What passes here and not the library would be denied as a fault of ours. */
const extensionForms = new Map<string, (text: string) => boolean>([
  ['ip', isIpOrBlock],
  ['decimal', (text) => /^-?\d{1,15}\.\d{1,4}$/.test(text) && Math.abs(Number(text)) <= decimalMax],
  ['datetime', isDatetime],
  ['duration', (text) => /^-?(?=\d)(?:\d{1,9}d)?(?:\d{1,9}h)?(?:\d{1,9}m)?(?:\d{1,9}s)?(?:\d{1,9}ms)?$/.test(text)],
])

/** Cedar reads neither zones (`fe80::1%eth0`) nor IPv4 within IPv6 (`::ffff:10.0.0.1`). */
function isIpOrBlock(text: string): boolean {
  const { address = '', bits } =
    /^(?<address>[\d.]+|[\da-fA-F:]+)(?:\/(?<bits>0|[1-9]\d{0,2}))?$/.exec(text)?.groups ?? {}
  const family = isIP(address)
  return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128)
}

/** A day of the calendar, alone or with a time and its zone. */
function isDatetime(text: string): boolean {
  const form =
    /^(?<day>\d{4}-\d\d-\d\d)(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3})?(?:Z|[+-](?:[01]\d|2[0-3])[0-5]\d))?$/
  const day = form.exec(text)?.groups?.['day']
  if (day === undefined) return false
  const midnight = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
}

function refusal(field: string, message: string): Problem {
  return new Problem('invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })
}
