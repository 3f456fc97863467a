import { formatAttributeType } from '@agent-iam/contract/attribute-types'
import type { FieldFault } from '../../platform/problem.ts'
import { isSameType, type ResourceType } from './model.ts'

type Attributes = ResourceType['attributes']

/** Policies know an attribute by its name alone, so a name has one type in all of a tenant's resource types. */
export function findConflicts(name: string, attributes: Attributes, all: readonly ResourceType[]): FieldFault[] {
  const others = all.filter((type) => type.name !== name)
  return Object.entries(attributes).flatMap(([attribute, type]) => {
    const other = others.find((each) => {
      const declared = ownOf(each.attributes, attribute)
      return declared !== undefined && !isSameType(declared, type)
    })
    const there = other && ownOf(other.attributes, attribute)
    if (!other || !there) return []
    const message = `is a ${formatAttributeType(there)} in resource type ${other.name}; one name has one type`
    return [{ field: `attributes.${attribute}`, message }]
  })
}

/** What resources that have it, or lack it, stand in the way of. */
export interface AttributeChanges {
  /** Attributes that are gone, or of another type now. */
  readonly lost: readonly string[]
  /** Attributes that were not required before. */
  readonly required: readonly string[]
}

export function changesOf(before: Attributes, after: Attributes): AttributeChanges {
  const isLost = (name: string) => {
    const [earlier, later] = [ownOf(before, name), ownOf(after, name)]
    return earlier !== undefined && (later === undefined || !isSameType(earlier, later))
  }
  const isNewlyRequired = (name: string) =>
    ownOf(after, name)?.required === true && ownOf(before, name)?.required !== true
  return { lost: Object.keys(before).filter(isLost), required: Object.keys(after).filter(isNewlyRequired) }
}

function ownOf(attributes: Attributes, name: string) {
  return Object.hasOwn(attributes, name) ? attributes[name] : undefined
}
