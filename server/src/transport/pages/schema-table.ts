import type { Json } from '@agent-iam/contract/json'
import { asObject, referredName, type JsonObject } from '../openapi-schemas.ts'
import { html, trusted, type Html } from './html.ts'

interface Row {
  readonly name: string
  readonly schema: JsonObject
  readonly isRequired: boolean
}

/** The fields of a schema as a table; a union of shapes as one table for each. */
export function schemaTables(schema: JsonObject, components: JsonObject, label: string): Html {
  const resolved = resolve(schema, components)
  const variants = variantsOf(resolved)
  if (variants.some((variant) => hasFields(resolve(variant, components))))
    return variantTables(variants, components, label)
  return hasFields(resolved) ? table(rowsOf(resolved), label) : html`<p>${typeText(resolved)} ${limits(resolved)}</p>`
}

/** The anchor under which a shared shape is described. */
export function shapeAnchor(name: string): string {
  return `shape-${name}`
}

function variantTables(variants: readonly JsonObject[], components: JsonObject, label: string): Html {
  const parts = variants.map((variant, index) => {
    const name = referredName(variant) ?? String(index + 1)
    const word = index === 0 ? 'Either' : 'Or'
    return html`<p class="faint">${word} ${name}:</p>
      ${schemaTables(variant, components, `${label}: ${name}`)}`
  })
  return html`${parts}`
}

function table(rows: readonly Row[], label: string): Html {
  if (rows.length === 0) return html`<p class="faint">No fields.</p>`
  return html`<div class="table" tabindex="0" role="region" aria-label="${label}">
    <table>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">Type</th>
          <th scope="col">Rules</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(tableRow)}
      </tbody>
    </table>
  </div>`
}

function tableRow({ name, schema, isRequired }: Row): Html {
  const presence = isRequired ? 'required' : 'optional'
  return html`<tr>
    <th scope="row"><code>${name}</code></th>
    <td>${typeText(schema)}</td>
    <td class="faint">${presence}${limits(schema)}</td>
  </tr>`
}

function rowsOf(schema: JsonObject, prefix = ''): Row[] {
  const required = schema['required']
  return Object.entries(asObject(schema['properties'] ?? {})).flatMap(([key, value]) => {
    const property = asObject(value)
    const name = prefix + key
    const isRequired = Array.isArray(required) && required.includes(key)
    return [{ name, schema: property, isRequired }, ...nestedRows(property, name)]
  })
}

function nestedRows(schema: JsonObject, name: string): Row[] {
  if (schema['type'] === 'array') return nestedRows(asObject(schema['items'] ?? {}), `${name}[]`)
  if (hasFields(schema)) return rowsOf(schema, `${name}.`)
  return variantsOf(schema).flatMap((variant) => nestedRows(variant, name))
}

function typeText(schema: JsonObject): Html {
  const name = referredName(schema)
  if (name !== undefined) return html`<a href="#${shapeAnchor(name)}">${name}</a>`
  if (schema['const'] !== undefined) return html`<code>${JSON.stringify(schema['const'])}</code>`
  if (Array.isArray(schema['enum'])) return choice(schema['enum'].map((value) => html`<code>${plain(value)}</code>`))
  const variants = variantsOf(schema)
  if (variants.length > 0) return choice(distinct(variants.map(typeText)))
  if (schema['type'] === 'array') return html`list of ${typeText(asObject(schema['items'] ?? {}))}`
  return plainType(schema)
}

function plainType({ type, pattern, format, description }: JsonObject): Html {
  if (Array.isArray(type)) return html`${type.map(plain).join(' or ')}`
  const idPrefix = typeof pattern === 'string' ? /^\^(\w+_)\[0-9a-f\]\{32\}\$$/.exec(pattern)?.[1] : undefined
  if (idPrefix !== undefined) return html`<code>${idPrefix}…</code>`
  if (typeof format === 'string') return html`${plain(type)}, ${format}`
  return html`${type === undefined ? plain(description ?? 'any JSON') : plain(type)}`
}

function limits(schema: JsonObject): string {
  const { minimum, maximum, minLength, maxLength, maxItems, default: preset } = schema
  const found = [
    range(minimum, maximum, ''),
    range(minLength, maxLength, ' characters'),
    range(undefined, maxItems, ''),
    preset === undefined ? '' : `default ${JSON.stringify(preset)}`,
  ]
  return found
    .filter(Boolean)
    .map((text) => `, ${text}`)
    .join('')
}

function range(from: Json | undefined, to: Json | undefined, unit: string): string {
  if (from === undefined && to === undefined) return ''
  if (from === undefined) return `at most ${plain(to)}${unit}`
  return to === undefined ? `at least ${plain(from)}${unit}` : `${plain(from)} to ${plain(to)}${unit}`
}

/** A value of a schema as people write it. */
function plain(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function variantsOf(schema: JsonObject): JsonObject[] {
  const variants = schema['anyOf'] ?? schema['oneOf'] ?? []
  return Array.isArray(variants) ? variants.map(asObject) : []
}

function hasFields(schema: JsonObject): boolean {
  return schema['properties'] !== undefined
}

function resolve(schema: JsonObject, components: JsonObject): JsonObject {
  const name = referredName(schema)
  return name === undefined ? schema : asObject(components[name])
}

function distinct(types: readonly Html[]): Html[] {
  return [...new Map(types.map((type) => [type.markup, type])).values()]
}

function choice(types: readonly Html[]): Html {
  return trusted(types.map(({ markup }) => markup).join(' or '))
}
