import { readFileSync } from 'node:fs'
import type { Parameters } from '@agent-iam/contract/policy-templates'
import { renderParameters, type Parameter } from './parameters.ts'

/** A Cedar text with places for parameters, written `$name`. */
export interface Template {
  readonly template: string
  readonly title: string
  readonly description: string
  readonly parameters: readonly Parameter[]
  readonly cedar: string
}

const folder = new URL('../../../packs/', import.meta.url)

/** What the product brings: each a file of that name. */
export const templates: readonly Template[] = [
  describe('business-hours', 'Business hours', 'Agents act on some days and between some times only, in UTC.', [
    { name: 'days', kind: 'days', description: 'On which days', default: ['mon', 'tue', 'wed', 'thu', 'fri'] },
    { name: 'from', kind: 'time', description: 'From when', default: '08:00' },
    { name: 'to', kind: 'time', description: 'Until when', default: '18:00' },
  ]),
  describe('address-allow-list', 'Addresses', 'Agents act from these addresses only.', [
    { name: 'addresses', kind: 'addresses', description: 'Ranges in CIDR notation' },
  ]),
  describe('trust-floor', 'Trust by label', 'Agents need a trust score for resources with a label.', [
    { name: 'label', kind: 'text', description: 'A label of resources, such as pii' },
    { name: 'minimum', kind: 'score', description: 'The least trust score' },
  ]),
  describe('separation-of-duty', 'Separation of duty', 'Whose a resource is may not do something with it.', [
    { name: 'type', kind: 'text', description: 'A type of resource, such as invoice' },
    { name: 'actions', kind: 'actions', description: 'What its owner may not do, such as approve' },
  ]),
  describe('read-only-agents', 'Agents that only read', 'Agents of a type do nothing but some actions.', [
    { name: 'agentType', kind: 'text', description: 'A type of agent' },
    { name: 'actions', kind: 'actions', description: 'What they may do', default: ['read', 'list'] },
  ]),
  describe('deny-resource-type', 'A type out of bounds', 'Agents keep away from resources of a type.', [
    { name: 'type', kind: 'text', description: 'A type of resource' },
  ]),
]

function describe(template: string, title: string, description: string, parameters: readonly Parameter[]): Template {
  const cedar = readFileSync(new URL(`${template}.cedar`, folder), 'utf8').trim()
  return { template, title, description, parameters, cedar }
}

export function findTemplate(name: string): Template | undefined {
  return templates.find(({ template }) => template === name)
}

/** The policy of a template; throws `invalid-request` for parameters that are not as it wants them. */
export function fillTemplate({ parameters, cedar }: Template, given: Parameters): string {
  const rendered = renderParameters(parameters, given)
  // All places at once, so that a value which looks like a place is a value.
  return cedar.replace(/\$([a-zA-Z]+)/g, (_place, name: string) => {
    const expression = rendered.get(name)
    if (expression === undefined) throw new Error(`the template has no parameter ${name}`)
    return expression
  })
}
