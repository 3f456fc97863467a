import { z } from 'zod'

/** The type of an attribute, in Cedar's JSON spelling. */
export type AttributeType =
  | { type: 'String' }
  | { type: 'Long' }
  | { type: 'Boolean' }
  | { type: 'Extension'; name: 'decimal' | 'datetime' | 'duration' | 'ipaddr' }
  | { type: 'Set'; element: AttributeType }
  | { type: 'Record'; attributes: Record<string, DeclaredAttribute> }

/** An attribute of a record or a resource; it may be absent unless it is required. */
export type DeclaredAttribute = AttributeType & { required: boolean }

/** Deepest type: a value of it stays flat enough for every reader that it passes through. */
export const attributeDepthMax = 4
/** Most attributes of one record within a type. */
export const recordAttributesMax = 20
/** Longest type in words. */
export const attributeTypeCharactersMax = 2000

/** An attribute’s name: a word that Cedar writes without quotes, and that no object has of its own accord. */
export const AttributeName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'is a letter or underscore, then up to 63 letters, digits or underscores')
  .refine((name) => !name.startsWith('__') && !(name in {}), 'is a name that Cedar or JavaScript keeps for itself')

/**
 * The type of an attribute in words: `string`, `long`, `boolean`, `decimal`, `datetime`, `duration`, `ipaddr`, `set<…>` or
 * `record{name: …, mayBeAbsent?: …}`.
 */
export const AttributeTypeText = z
  .string()
  .max(attributeTypeCharactersMax)
  .refine((text) => parseAttributeType(text) !== undefined, {
    error: `is none of string, long, boolean, decimal, datetime, duration, ipaddr, set<…>, record{name: …}, ${attributeDepthMax} deep at most`,
  })

/** Reads a type in words; undefined when it is none. */
export function parseAttributeType(text: string): AttributeType | undefined {
  const tokens = text.match(/[A-Za-z0-9_]+|[^\s]/g) ?? []
  const reader = new TypeReader(tokens)
  const type = reader.readType(1)
  return type && reader.isAtEnd ? type : undefined
}

/** Writes a type in words, as `parseAttributeType` reads it. */
export function formatAttributeType(type: AttributeType): string {
  if (type.type === 'Extension') return type.name
  if (type.type === 'Set') return `set<${formatAttributeType(type.element)}>`
  if (type.type !== 'Record') return type.type.toLowerCase()
  const attributes = Object.entries(type.attributes).map(
    ([name, attribute]) => `${name}${attribute.required ? '' : '?'}: ${formatAttributeType(attribute)}`,
  )
  return `record{${attributes.join(', ')}}`
}

const words: ReadonlyMap<string, AttributeType> = new Map<string, AttributeType>([
  ['string', { type: 'String' }],
  ['long', { type: 'Long' }],
  ['boolean', { type: 'Boolean' }],
  ['decimal', { type: 'Extension', name: 'decimal' }],
  ['datetime', { type: 'Extension', name: 'datetime' }],
  ['duration', { type: 'Extension', name: 'duration' }],
  ['ipaddr', { type: 'Extension', name: 'ipaddr' }],
])

/** Reads from left to right; undefined wherever the text goes on otherwise than a type does. */
class TypeReader {
  readonly #tokens: readonly string[]
  #place = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  get isAtEnd(): boolean {
    return this.#place === this.#tokens.length
  }

  readType(depth: number): AttributeType | undefined {
    if (depth > attributeDepthMax) return undefined
    const word = this.#next()
    if (word === 'set') return this.#readSet(depth)
    if (word === 'record') return this.#readRecord(depth)
    return word === undefined ? undefined : words.get(word)
  }

  #readSet(depth: number): AttributeType | undefined {
    const element = this.#takes('<') ? this.readType(depth + 1) : undefined
    return element && this.#takes('>') ? { type: 'Set', element } : undefined
  }

  #readRecord(depth: number): AttributeType | undefined {
    const attributes = new Map<string, DeclaredAttribute>()
    if (!this.#takes('{')) return undefined
    do {
      const name = AttributeName.safeParse(this.#next()).data
      const required = !this.#takes('?')
      const type = this.#takes(':') ? this.readType(depth + 1) : undefined
      if (name === undefined || !type || attributes.has(name)) return undefined
      attributes.set(name, { ...type, required })
    } while (this.#takes(','))
    if (attributes.size > recordAttributesMax || !this.#takes('}')) return undefined
    return { type: 'Record', attributes: Object.fromEntries(attributes) }
  }

  #takes(token: string): boolean {
    if (this.#tokens[this.#place] !== token) return false
    this.#place += 1
    return true
  }

  #next(): string | undefined {
    return this.#tokens[this.#place++]
  }
}
