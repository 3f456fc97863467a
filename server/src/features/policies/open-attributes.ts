import type { AttributesOrContext, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs'
import { openPath, sidesOf, testedAttributes, type Expression, type OpenRecord } from './expression.ts'
import { record, type OpenAttributes } from './schema.ts'

type Attributes = Record<string, TypeOfAttribute<string>>

/** Each attribute of `context.request` and `resource.attributes` that a policy names, and what it says about them. */
export class OpenUses {
  readonly #declared: Readonly<Attributes>
  readonly #roots: Readonly<Record<OpenRecord, Attribute>> = {
    request: makeAttribute([]),
    attributes: makeAttribute([]),
  }
  /** Pairs that stand on the two sides of one operator, and so are of one type. */
  readonly #pairs: (readonly [string, string])[] = []

  /** `declared`: what the tenant's resources have, by its own word. */
  constructor(declared: Readonly<Attributes>) {
    this.#declared = declared
  }

  /** A node of the policy. An attribute whose presence is tested anywhere may be absent. */
  add(node: Expression): void {
    const path = openPath({ [node.kind]: node.content })
    if (path) this.#attributeAt(path)

    const tested = testedAttributes(node)
    if (tested) this.#addTested(tested)

    const sides = sidesOf(node)
    const [left, right] = [openPath(sides?.left), openPath(sides?.right)]
    if (left && right && sameTypeOperators.has(node.kind)) this.#pairs.push([keyOf(left), keyOf(right)])
  }

  /** Those of unknown type without attributes of their own, those of one type together. */
  groups(): string[][] {
    const unknown = [...leavesOf(this.#roots.request), ...this.#undeclared().flatMap(leavesOrItself)]
    let groups = unknown.map(({ path }) => [keyOf(path)])
    for (const pair of this.#pairs) {
      const joined = groups.filter((group) => pair.some((key) => group.includes(key)))
      groups = [...groups.filter((group) => !joined.includes(group)), joined.flat()]
    }
    return groups.filter((group) => group.length > 0)
  }

  /** Attributes of resources that no type of the tenant declares. */
  undeclared(): string[] {
    return this.#undeclared().map(({ path }) => path.at(-1) ?? '')
  }

  /** The attributes' declaration, when each leaf of unknown type is of the type given for it. */
  declare(types: ReadonlyMap<string, AttributesOrContext<string>>): OpenAttributes {
    const { request, attributes } = this.#roots
    const declared = Object.entries(this.#declared).filter(([name]) => attributes.children.has(name))
    return {
      request: declareChildren(request, types),
      attributes: { ...declareChildren(attributes, types), ...Object.fromEntries(declared) },
    }
  }

  #undeclared(): Attribute[] {
    return [...this.#roots.attributes.children]
      .filter(([name]) => !Object.hasOwn(this.#declared, name))
      .map(([, child]) => child)
  }

  #attributeAt([root, ...path]: readonly [OpenRecord, ...string[]]): Attribute {
    let attribute = this.#roots[root]
    for (const [depth, name] of path.entries()) {
      const child = attribute.children.get(name) ?? makeAttribute([root, ...path.slice(0, depth + 1)])
      attribute.children.set(name, child)
      attribute = child
    }
    return attribute
  }

  /** `x has a.b` tests `x.a` and `x.a.b`. */
  #addTested({ left, attributes }: { left: unknown; attributes: readonly string[] }): void {
    for (const depth of attributes.keys()) {
      const path = openPath(
        attributes.slice(0, depth + 1).reduce((holder, attr) => ({ '.': { left: holder, attr } }), left),
      )
      if (path) this.#attributeAt(path).required = false
    }
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
  return [...attribute.children.values()].flatMap(leavesOrItself)
}

function leavesOrItself(attribute: Attribute): Attribute[] {
  return attribute.children.size === 0 ? [attribute] : leavesOf(attribute)
}

function declareChildren({ children }: Attribute, types: ReadonlyMap<string, AttributesOrContext<string>>): Attributes {
  return Object.fromEntries(
    [...children].map(([name, child]) => {
      const leafType = types.get(keyOf(child.path)) ?? { type: 'String' }
      const type = child.children.size === 0 ? leafType : record(declareChildren(child, types))
      return [name, { ...type, required: child.required }]
    }),
  )
}
