import { AddressRange, Weekday, weekdays } from '@agent-iam/contract/conditions'
import type { Parameters, TemplateParameter } from '@agent-iam/contract/policy-templates'
import { z } from 'zod'
import { decimalText, extensionForms } from '../../lib/cedar-values.ts'
import { Problem, type FieldFault } from '../../platform/problem.ts'
import { writeString } from './cedar-strings.ts'

export type Parameter = z.output<typeof TemplateParameter>

/** Most items of a list: each is looked at with every decision. */
const itemsMax = 32

const Text = z.string().min(1).max(200)
const isKnownToCedar = (range: string) => extensionForms.get('ip')?.(range) === true

/**
 * How each kind of parameter is read, and written as a Cedar expression. Nothing that a caller sent gets into a policy by
 * another way: text only between quotes, all else from a closed form.
 */
const kinds: Readonly<Record<Parameter['kind'], (value: unknown) => Rendering>> = {
  text: kind(Text, writeString),
  actions: kind(
    z.array(Text).min(1).max(itemsMax),
    (actions) => `[${actions.map((action) => `AgentIam::Action::${writeString(action)}`).join(', ')}]`,
  ),
  time: kind(z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'is a time of day, such as 09:00'), writeTime),
  days: kind(
    z.array(Weekday).min(1).max(weekdays.length),
    (days) => `[${days.map((day) => weekdays.indexOf(day) + 1).join(', ')}]`,
  ),
  score: kind(z.number().min(0).max(1), (score) => `decimal("${decimalText(Number(score.toFixed(4))) ?? '1.0000'}")`),
  addresses: kind(
    z.array(AddressRange.refine(isKnownToCedar, 'is an IPv4 address inside IPv6')).min(1).max(itemsMax),
    (ranges) => ranges.map((range) => `context.ip.isInRange(ip(${writeString(range)}))`).join(' || '),
  ),
}

type Rendering = { readonly cedar: string } | { readonly fault: string }

function kind<S extends z.ZodType>(schema: S, write: (value: z.output<S>) => string) {
  return (value: unknown): Rendering => {
    const read = schema.safeParse(value)
    return read.success
      ? { cedar: write(read.data) }
      : { fault: read.error.issues.map(({ message }) => message).join('; ') }
  }
}

function writeTime(time: string): string {
  const [hours, minutes] = time.split(':').map(Number)
  return `duration("${hours}h${minutes}m")`
}

/** Each parameter as a Cedar expression; throws `invalid-request` for what is missing, unknown or no value of its kind. */
export function renderParameters(parameters: readonly Parameter[], given: Parameters): Map<string, string> {
  const faults: FieldFault[] = Object.keys(given)
    .filter((name) => !parameters.some((each) => each.name === name))
    .map((name) => ({ field: `parameters.${name}`, message: 'is no parameter here' }))
  const rendered = new Map<string, string>()
  for (const { name, kind: named, default: usual } of parameters) {
    const value = Object.hasOwn(given, name) ? given[name] : usual
    const rendering: Rendering = value === undefined ? { fault: 'is missing' } : kinds[named](value)
    if ('cedar' in rendering) rendered.set(name, rendering.cedar)
    else faults.push({ field: `parameters.${name}`, message: rendering.fault })
  }
  if (faults.length === 0) return rendered
  throw refusal(faults)
}

export function refusal(errors: readonly FieldFault[]): Problem {
  return new Problem('invalid-request', errors.map(({ field, message }) => `${field}: ${message}`).join('; '), {
    errors,
  })
}
