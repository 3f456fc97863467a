import type { EntityUidJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { Cedar } from './cedar-instance.ts'
import { walk } from './expression.ts'
import { readPaths, type ReadPath } from './syntax-paths.ts'

/** Which principals or resources a scope lets through; entities by `entityKey`. Nothing said is everything. */
export interface Bound {
  readonly is?: string | undefined
  readonly equals?: string | undefined
  readonly within?: string | undefined
}

/** Which requests a policy can speak about at all, whatever its conditions. */
export interface Scope {
  readonly principal: Bound
  readonly resource: Bound
  /** Undefined: every action. `equals` means the action itself, `within` also what lies below it. */
  readonly actions: { readonly equals: readonly string[]; readonly within: readonly string[] } | undefined
}

/** All that we must know of a policy's syntax tree, read once from its text. */
export interface PolicyFacts {
  readonly scope: Scope
  /** What its conditions read. */
  readonly paths: readonly ReadPath[]
  readonly nodes: number
  /** Characters of its `like` patterns: matching takes as long as these times the text's. */
  readonly likeCharacters: number
}

/** The text is no policy. */
export class UnreadablePolicy extends Error {}

/** Reads a policy that was checked before it was stored. Text that was not may trap `cedar`. */
export function readFacts(cedar: Cedar, text: string): PolicyFacts {
  const policy = parse(cedar, text)
  const nodes = policy.conditions.flatMap(({ body }) => [...walk(body)])
  return {
    scope: readScope(policy),
    paths: distinct(policy.conditions.flatMap(({ body }) => readPaths(body))),
    nodes: nodes.length,
    likeCharacters: nodes.reduce(
      (sum, { node }) => sum + (node.kind === 'like' ? patternCharacters(node.content) : 0),
      0,
    ),
  }
}

/** One text for one entity, and no other's: no name of a type holds a quotation mark. */
export function entityKey({ type, id }: { type?: string | undefined; id: string }): string {
  return `${type ?? ''}"${id}`
}

function parse(cedar: Cedar, text: string): PolicyJson {
  const parsed = cedar.policyToJson(text)
  if (parsed.type === 'failure') throw new UnreadablePolicy(parsed.errors.map(({ message }) => message).join('; '))
  return parsed.json
}

function readScope({ principal, action, resource }: PolicyJson): Scope {
  return { principal: readBound(principal), resource: readBound(resource), actions: readActions(action) }
}

function readBound(constraint: PolicyJson['principal']): Bound {
  switch (constraint.op) {
    case 'All':
      return {}
    case '==':
      return 'entity' in constraint ? { equals: keyOf(constraint.entity) } : slotted()
    case 'in':
      return 'entity' in constraint ? { within: keyOf(constraint.entity) } : slotted()
    case 'is': {
      const within = constraint.in
      if (!within) return { is: constraint.entity_type }
      return 'entity' in within ? { is: constraint.entity_type, within: keyOf(within.entity) } : slotted()
    }
  }
}

function readActions(constraint: PolicyJson['action']): Scope['actions'] {
  if (constraint.op === 'All') return undefined
  if (constraint.op === '==')
    return 'entity' in constraint ? { equals: [keyOf(constraint.entity)], within: [] } : slotted()
  const entities = 'entities' in constraint ? constraint.entities : [constraint.entity]
  return { equals: [], within: entities.map(keyOf) }
}

function slotted(): never {
  throw new UnreadablePolicy('the policy is a template')
}

function keyOf(entity: EntityUidJson): string {
  return entityKey('__entity' in entity ? entity['__entity'] : entity)
}

function distinct(paths: readonly ReadPath[]): ReadPath[] {
  return [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()]
}

function patternCharacters(content: unknown): number {
  return JSON.stringify(content).length
}
