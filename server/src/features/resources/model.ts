import { isDeepStrictEqual } from 'node:util'
import type { AttributeType, DeclaredAttribute } from '@agent-iam/contract/attribute-types'
import type { IdentityId } from '@agent-iam/contract/ids'
import { actionRisks, type ActionRisk } from '@agent-iam/contract/resource-types'
import type { ResourceName } from '../capabilities/model.ts'

/** A value in Cedar's JSON spelling: no null, numbers are whole, other types as `{ __extn }`. */
export type AttributeValue = string | number | boolean | AttributeValue[] | { [name: string]: AttributeValue }

/** What a tenant tells of one of its resources. */
export interface RegisteredResource {
  readonly owner: IdentityId | undefined
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** Its own, and those of all that it lies in. */
  readonly labels: readonly string[]
  /** What it lies in, the nearest first. */
  readonly ancestors: readonly ResourceName[]
}

export const risks = actionRisks
export type Risk = ActionRisk

/** A kind of resource as it takes part in decisions. */
export interface ResourceTypeDefinition {
  readonly name: string
  /** Attribute name → type, in Cedar's JSON spelling of a schema. */
  readonly attributes: Readonly<Record<string, unknown>>
  /** How risky its actions are, by name. */
  readonly actions: ReadonlyMap<string, Risk>
}

/** The trust score that an agent needs at least. */
export interface TrustThresholds {
  readonly byLabel: Readonly<Record<string, number>>
  readonly byRisk: Readonly<Partial<Record<Risk, number>>>
}

/** What a tenant declares of its resources. */
export interface ResourceDefinitions {
  readonly types: ReadonlyMap<string, ResourceTypeDefinition>
  readonly thresholds: TrustThresholds
}

/** The highest of all that apply; 0 where none does. */
export function thresholdFor(
  { byLabel, byRisk }: TrustThresholds,
  labels: readonly string[],
  risk: Risk | undefined,
): number {
  const byLabels = labels.map((label) => (Object.hasOwn(byLabel, label) ? (byLabel[label] ?? 0) : 0))
  return Math.max(0, ...byLabels, risk === undefined ? 0 : (byRisk[risk] ?? 0))
}

/** A kind of resource, as its tenant declared it. */
export interface ResourceType {
  readonly name: string
  readonly description: string
  readonly attributes: Readonly<Record<string, DeclaredAttribute>>
  readonly actions: readonly DeclaredAction[]
  /** Raised by each change. */
  readonly revision: number
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface DeclaredAction {
  readonly name: string
  readonly risk: Risk
  readonly description: string
}

/** A registered resource with what is its own. */
export interface Resource extends ResourceName {
  readonly owner: IdentityId | undefined
  readonly parent: ResourceName | undefined
  readonly attributes: Readonly<Record<string, AttributeValue>>
  readonly labels: readonly string[]
  /** Raised by each change. */
  readonly revision: number
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What was set, and when; undefined: nothing ever was, which is the first revision. */
export interface SetThresholds extends TrustThresholds {
  readonly revision: number
  readonly updatedAt: Date | undefined
}

/** A resource as it is written, `type/id`: the id is all after the first slash. */
export function parseResource(text: string): ResourceName {
  const slash = text.indexOf('/')
  return { type: text.slice(0, slash), id: text.slice(slash + 1) }
}

export function resourceText({ type, id }: ResourceName): string {
  return `${type}/${id}`
}

/** Whether two types are one; that an attribute is required of a resource is no matter of its type. */
export function isSameType(one: AttributeType, other: AttributeType): boolean {
  return isDeepStrictEqual({ ...one, required: false }, { ...other, required: false })
}

/** Every declared attribute by name: a name has one type in all of a tenant's resource types. */
export function declaredAttributes(types: readonly ResourceType[]): Record<string, AttributeType> {
  return Object.fromEntries(types.flatMap(({ attributes }) => Object.entries(attributes)))
}
