import type { AttributesOrContext, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs'
import { requestPath, sidesOf, testedAttributes, type Expression } from './expression.ts'
import { record } from './schema.ts'

/** Each attribute of `context.request` that a policy names, and what it says about them. */
export class RequestUses {
  readonly #root: Attribute = makeAttribute([])
  /** Pairs that stand on the two sides of one operator, and so are of one type. */
  readonly #pairs: (readonly [string, string])[] = []

  /** A node of the policy. An attribute whose presence is tested anywhere may be absent. */
  add(node: Expression): void {
    const path = requestPath({ [node.kind]: node.content })
    if (path) this.#attributeAt(path)

    const tested = testedAttributes(node)
    const holder = tested && requestPath(tested.left)
    if (tested && holder) this.#addTested(holder, tested.attributes)

    const sides = sidesOf(node)
    const [left, right] = [requestPath(sides?.left), requestPath(sides?.right)]
    if (left && right && sameTypeOperators.has(node.kind)) this.#pairs.push([keyOf(left), keyOf(right)])
  }

  /** The attributes without attributes of their own, those of one type together. */
  groups(): string[][] {
    let groups = leavesOf(this.#root).map(({ path }) => [keyOf(path)])
    for (const pair of this.#pairs) {
      const joined = groups.filter((group) => pair.some((key) => group.includes(key)))
      groups = [...groups.filter((group) => !joined.includes(group)), joined.flat()]
    }
    return groups.filter((group) => group.length > 0)
  }

  /** The attributes' declaration, when each leaf is of the type given for it. */
  declare(types: ReadonlyMap<string, AttributesOrContext<string>>): Record<string, TypeOfAttribute<string>> {
    return declareChildren(this.#root, types)
  }

  #attributeAt(path: readonly string[]): Attribute {
    let attribute = this.#root
    for (const [depth, name] of path.entries()) {
      const child = attribute.children.get(name) ?? makeAttribute(path.slice(0, depth + 1))
      attribute.children.set(name, child)
      attribute = child
    }
    return attribute
  }

  #addTested(holder: readonly string[], attributes: readonly string[]): void {
    for (const depth of attributes.keys())
      this.#attributeAt([...holder, ...attributes.slice(0, depth + 1)]).required = false
  }
}

interface Attribute {
  readonly path: readonly string[]
  readonly children: Map<string, Attribute>
  required: boolean
}

const sameTypeOperators = new Set(['==', '!=', '<', '<=', '>', '>=', '+', '-', '*', 'containsAll', 'containsAny'])

function makeAttribute(path: readonly string[]): Attribute {
  return { path, children: new Map(), required: true }
}

function keyOf(path: readonly string[]): string {
  return JSON.stringify(path)
}

function leavesOf(attribute: Attribute): Attribute[] {
  return [...attribute.children.values()].flatMap((child) => (child.children.size === 0 ? [child] : leavesOf(child)))
}

function declareChildren(
  { children }: Attribute,
  types: ReadonlyMap<string, AttributesOrContext<string>>,
): Record<string, TypeOfAttribute<string>> {
  return Object.fromEntries(
    [...children].map(([name, child]) => {
      const leafType = types.get(keyOf(child.path)) ?? { type: 'String' }
      const type = child.children.size === 0 ? leafType : record(declareChildren(child, types))
      return [name, { ...type, required: child.required }]
    }),
  )
}
