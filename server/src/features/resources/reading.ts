import type { ResourceContent } from '@agent-iam/contract/resources'
import type { Transaction } from '../../platform/context.ts'
import { Problem, type FieldFault } from '../../platform/problem.ts'
import type { ResourceName } from '../capabilities/model.ts'
import { readAttributes } from './attributes.ts'
import { parseResource, resourceText, type Resource, type ResourceType } from './model.ts'
import { findOwners, findResources } from './store/resources.ts'
import { listTypes } from './store/types.ts'

/** A resource as it shall be. */
export interface Entry {
  readonly name: ResourceName
  readonly content: ResourceContent
  /** As it is; undefined: not registered. */
  readonly before: Resource | undefined
  /** How its fields are named in a refusal: what stands before each. */
  readonly field: string
}

interface Content {
  readonly entry: Entry
  readonly own: Pick<Resource, 'owner' | 'parent' | 'attributes' | 'labels'>
}

/** Most bytes of one resource's attributes: they are read with every decision about it. */
const attributesBytesMax = 16_384

/** Most faults told at once: more than anybody mends before trying again. */
const faultsMax = 20

/** What resources shall have, in Cedar's words. Refuses what their types do not declare, and who and what is not there. */
export async function readContents(tx: Transaction, entries: readonly Entry[]): Promise<Content[]> {
  const surroundings = await readSurroundings(tx, entries)
  const faults: FieldFault[] = []
  const contents = entries.map((entry) => ({ entry, own: readContent(entry, surroundings, faults) }))
  if (faults.length > 0) throw refusal(faults.slice(0, faultsMax))
  return contents
}

interface Surroundings {
  readonly types: ReadonlyMap<string, ResourceType>
  readonly owners: ReadonlySet<string>
  /** The parents that are there, or will be. */
  readonly parents: ReadonlySet<string>
}

async function readSurroundings(tx: Transaction, entries: readonly Entry[]): Promise<Surroundings> {
  const owners = entries.flatMap(({ content: { owner } }) => owner ?? [])
  const parents = new Set(entries.flatMap(({ content: { parent } }) => parent ?? []))
  const there = await findResources(tx, [...parents].map(parseResource))
  return {
    types: new Map((await listTypes(tx)).map((type) => [type.name, type])),
    owners: await findOwners(tx, owners),
    parents: new Set([...there, ...entries.map(({ name }) => name)].map(resourceText)),
  }
}

function readContent(
  { name, content, field }: Entry,
  { types, owners, parents }: Surroundings,
  faults: FieldFault[],
): Content['own'] {
  const { owner, parent, labels } = content
  const type = types.get(name.type)
  if (!type) faults.push({ field: `${field}resource`, message: undeclared(name.type) })
  if (owner !== undefined && !owners.has(owner))
    faults.push({ field: `${field}owner`, message: 'there is no such identity' })
  if (parent !== undefined && !parents.has(parent))
    faults.push({ field: `${field}parent`, message: `${parent} is not registered` })
  const read = readAttributes(type?.attributes ?? {}, type ? content.attributes : {}, `${field}attributes`)
  faults.push(...read.faults)
  if (Buffer.byteLength(JSON.stringify(read.attributes)) > attributesBytesMax)
    faults.push({ field: `${field}attributes`, message: `are more than ${attributesBytesMax} bytes` })
  return {
    owner,
    parent: parent === undefined ? undefined : parseResource(parent),
    attributes: read.attributes,
    labels,
  }
}

function undeclared(type: string): string {
  return `resource type ${type} is not declared; declare it with POST /api/v1/resource-types`
}

export function refusal(errors: readonly FieldFault[]): Problem {
  return new Problem('invalid-request', errors.map(({ field, message }) => `${field}: ${message}`).join('; '), {
    errors,
  })
}
