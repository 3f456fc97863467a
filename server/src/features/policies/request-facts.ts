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
  const given = Object.entries(members).filter((member): member is [string, Exclude<Json, null>] => member[1] !== null)
  return Object.fromEntries(given.map(([key, value]) => [key, toFact(value, `${field}.${key}`)]))
}

function toFact(value: Json, field: string): CedarJson {
  if (value === null) throw refusal(field, 'a list cannot hold null')
  if (typeof value === 'number') return toNumber(value, field)
  if (typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((item, index) => toFact(item, `${field}.${index}`))

  if ('__extn' in value) return toExtension(value, field)
  if ('__entity' in value || '__expr' in value)
    throw refusal(field, 'a fact cannot name an entity; send its id as text')
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

/** Close enough that only an odd text passes here and is then denied by the engine. */
const extensionForms = new Map<string, (text: string) => boolean>([
  ['ip', (text) => isIP(text.replace(/\/\d{1,3}$/, '')) !== 0],
  ['decimal', (text) => /^-?\d{1,15}\.\d{1,4}$/.test(text)],
  ['datetime', (text) => /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{3})?(?:Z|[+-]\d{4}))?$/.test(text)],
  ['duration', (text) => /^-?(?=\d)(?:\d{1,9}d)?(?:\d{1,9}h)?(?:\d{1,9}m)?(?:\d{1,9}s)?(?:\d{1,9}ms)?$/.test(text)],
])

function refusal(field: string, message: string): Problem {
  return new Problem('invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })
}
