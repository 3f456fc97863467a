import fc from 'fast-check'
import { uid, type EntityUid } from '../src/features/policies/cedar-json.ts'

/** Characters of all planes, and what the languages on the way might take for their own. */
export const text = fc.oneof(
  fc.constantFrom('', 'a', 'ab', '__proto__', '"', '\\', '*', '\n', 'резюме', '🙂'),
  fc.string({ unit: 'binary', maxLength: 3 }),
)
export const long = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)

/** Nearly always the first. */
export function rarely<T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 20, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
}

/** A string literal of Cedar: everything but letters and digits by its number, and a star not as a wildcard. */
export function literal(value: string, star = '*'): string {
  const escaped = Array.from(value, (character) => {
    if (/[\w /:.-]/.test(character)) return character
    return character === '*' ? star : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
  return `"${escaped.join('')}"`
}

export function entityText({ type, id }: EntityUid): string {
  return `${type}::${literal(id)}`
}

export const principals = ['Agent', 'User', 'Service'].flatMap((type) =>
  ['1', '2'].map((id) => ({ type: `AgentIam::${type}`, id: `${type} ${id}` })),
)
export const roles = ['0', '1', '2', 'admin'].map((id) => uid('Role', id))
export const resources = ['file/a', 'file/b', 'file/"🙂', 'folder/a', 'folder/b', 'agent-iam/agents'].map((id) =>
  uid('Resource', id),
)
export const actions = ['read', 'write', '🙂', 'agents:read', 'policies:read'].map((id) => uid('Action', id))
export const actionGroups = ['any', 'some'].map((id) => uid('Action', id))

export const principal = fc.constantFrom(...principals)
export const resource = fc.constantFrom(...resources)
export const action = fc.constantFrom(...actions)
export const anyAction = fc.constantFrom(...actions, ...actionGroups)

/** Names that requests have, each with the type that it has there as a rule. */
export const facts = ['flag', 'count', 'name', 'list', 'inner', 'score', 'from', 'at', 'wait', '__proto__x', 'a "b"']
export const factPath = fc.constantFrom(...facts).map((name) => `context.request[${literal(name)}]`)
