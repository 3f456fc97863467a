import type { Json, OpenObject } from '@agent-iam/contract/json'
import { decimalText, extensionForms } from '../../lib/cedar-values.ts'
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
  const places = decimalText(value)
  if (places === undefined)
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

function refusal(field: string, message: string): Problem {
  return new Problem('invalid-request', `${field}: ${message}`, { errors: [{ field, message }] })
}
