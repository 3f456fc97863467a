import { childrenOf, testedAttributes, toExpression } from './expression.ts'

/** What an expression reads: one of the four variables, and the attributes from it, outermost first. */
export type ReadPath = readonly string[]

/**
 * Every path that an expression reads, as far as it can be told: `principal.trustScore`, `context.request.purpose`. A
 * variable by itself is used as a whole. What `has` looks for is read.
 */
export function readPaths(root: unknown): ReadPath[] {
  const paths: ReadPath[] = []
  // A stack of its own: no depth can exhaust ours.
  const waiting = [root]
  while (waiting.length > 0) {
    const json = waiting.pop()
    const path = pathOf(json)
    const tested = path ? undefined : testedPath(json)
    if (path ?? tested) paths.push(path ?? tested ?? [])
    else for (const child of childrenOf(toExpression(json))) waiting.push(child)
  }
  return paths
}

/** As a person writes it. */
export function pathText(path: ReadPath): string {
  return path
    .map((name, place) => (place === 0 ? name : isIdentifier(name) ? `.${name}` : `[${JSON.stringify(name)}]`))
    .join('')
}

function isIdentifier(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name)
}

/** The variable and attributes of a chain of dots; undefined for any other expression. */
function pathOf(json: unknown): string[] | undefined {
  const attributes: string[] = []
  for (let node = toExpression(json); ;) {
    const { kind, content } = node
    if (kind === 'Var') return typeof content === 'string' ? [content, ...attributes.toReversed()] : undefined
    const step = kind === '.' ? stepOf(content) : undefined
    if (!step) return undefined
    attributes.push(step.attribute)
    node = toExpression(step.left)
  }
}

function stepOf(content: unknown): { left: unknown; attribute: string } | undefined {
  if (typeof content !== 'object' || content === null || !('left' in content) || !('attr' in content)) return undefined
  return typeof content.attr === 'string' ? { left: content.left, attribute: content.attr } : undefined
}

function testedPath(json: unknown): string[] | undefined {
  const tested = testedAttributes(toExpression(json))
  const holder = tested && pathOf(tested.left)
  return holder && [...holder, ...tested.attributes]
}
