/** A node of a policy's syntax tree, as the library writes it: one key, which says what kind of node it is. */
export interface Expression {
  readonly kind: string
  readonly content: unknown
}

export interface Visited {
  readonly node: Expression
  readonly depth: number
}

/** Every node below and including `root`, parents first. It keeps its own stack, so no depth can exhaust ours. */
export function* walk(root: unknown): Generator<Visited> {
  const waiting = [{ json: root, depth: 1 }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { json, depth } = next
    const node = toExpression(json)
    yield { node, depth }
    waiting.push(...childrenOf(node).map((child) => ({ json: child, depth: depth + 1 })))
  }
}

/** The two records whose attributes are not ours to declare: what callers send, and what tenants register. */
export type OpenRecord = 'request' | 'attributes'

/** What is read from `context.request` or `resource.attributes`: which of them, then the attributes, outermost first. */
export function openPath(json: unknown): [OpenRecord, ...string[]] | undefined {
  const path: string[] = []
  for (let node = toExpression(json); ; node = toExpression(node.content['left'])) {
    if (node.kind === 'Var') return openAt(`${String(node.content)}.${path.pop()}`, path.toReversed())
    if (node.kind !== '.' || !isRecord(node.content) || typeof node.content['attr'] !== 'string') return undefined
    path.push(node.content['attr'])
  }
}

function openAt(place: string, path: readonly string[]): [OpenRecord, ...string[]] | undefined {
  if (place === 'context.request') return ['request', ...path]
  return place === 'resource.attributes' ? ['attributes', ...path] : undefined
}

/** The two sides of a node that has two. */
export function sidesOf({ content }: Expression): { left: unknown; right: unknown } | undefined {
  if (!isRecord(content) || content['left'] === undefined || content['right'] === undefined) return undefined
  return { left: content['left'], right: content['right'] }
}

/** What a `has` looks for: `x has a.b` looks for `a`, then `b` in it. */
export function testedAttributes({ kind, content }: Expression): { left: unknown; attributes: string[] } | undefined {
  if (kind !== 'has' || !isRecord(content)) return undefined
  const attributes = Array.isArray(content['attr']) ? content['attr'] : [content['attr']]
  return { left: content['left'], attributes: attributes.filter((attribute) => typeof attribute === 'string') }
}

/** The action that a literal names. */
export function actionNamed(content: unknown): string | undefined {
  const entity = isRecord(content) && isRecord(content['__entity']) ? content['__entity'] : content
  if (!isRecord(entity) || entity['type'] !== 'AgentIam::Action') return undefined
  return typeof entity['id'] === 'string' ? entity['id'] : undefined
}

const leaves = new Set(['Value', 'Var', 'Slot'])
const parts = ['left', 'right', 'arg', 'if', 'then', 'else', 'in']

export function toExpression(json: unknown): Expression {
  const [kind, content] = isRecord(json) ? (Object.entries(json)[0] ?? []) : []
  return { kind: kind ?? 'Value', content }
}

export function childrenOf({ kind, content }: Expression): unknown[] {
  if (leaves.has(kind)) return []
  if (Array.isArray(content)) return content
  if (!isRecord(content)) return []
  return kind === 'Record'
    ? Object.values(content)
    : parts.map((part) => content[part]).filter((part) => part !== undefined)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
