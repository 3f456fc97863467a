import * as agents from '@agent-iam/contract/agents'
import * as audit from '@agent-iam/contract/audit'
import * as auth from '@agent-iam/contract/auth'
import * as authorization from '@agent-iam/contract/authorization'
import * as capabilities from '@agent-iam/contract/capabilities'
import * as enrolmentTokens from '@agent-iam/contract/enrolment-tokens'
import * as factors from '@agent-iam/contract/factors'
import * as identities from '@agent-iam/contract/identities'
import * as ids from '@agent-iam/contract/ids'
import * as json from '@agent-iam/contract/json'
import type { Json } from '@agent-iam/contract/json'
import * as policies from '@agent-iam/contract/policies'
import * as problems from '@agent-iam/contract/problems'
import * as system from '@agent-iam/contract/system'
import * as text from '@agent-iam/contract/text'
import { z } from 'zod'

/** A JSON object, here always a piece of JSON Schema or of the OpenAPI document. */
export interface JsonObject {
  [key: string]: Json
}

/** Writes zod schemas as JSON Schema 2020-12 and gathers what they share. */
export interface SchemaWriter {
  /** What a client sends (`input`) or receives (`output`); shared shapes are references to components. */
  write(schema: z.ZodType, io: 'input' | 'output'): JsonObject
  /** Every shape that has been referred to, by name. */
  components(): JsonObject
}

const identityModules = [agents, auth, capabilities, enrolmentTokens, factors, identities, ids]
const otherModules = [audit, authorization, json, policies, problems, system, text]

/** A shape is shared under the name by which the contract exports it. */
const names = z.registry<{ id: string }>()
for (const [name, schema] of [...identityModules, ...otherModules].flatMap((module) => Object.entries(module)))
  if (schema instanceof z.ZodType && /^[A-Z]/.test(name)) names.add(schema, { id: name.replace(/Schema$/, '') })

/** Names of any JSON value: zod's for what refers to itself, which only JSON values do, and ours. */
const anyJsonName = /^(__schema\d+|ParsedJson)$/
const anyJson: JsonObject = { description: 'Any JSON value.' }

export function schemaWriter(): SchemaWriter {
  const components = new Map<string, JsonObject>()

  return {
    write(schema, io) {
      const { $schema: _, $defs = {}, ...written } = toJsonSchema(schema, io)
      for (const [name, shape] of Object.entries(asObject($defs))) keep(components, name, asObject(rewrite(shape)))
      return asObject(rewrite(written))
    },
    components: () => Object.fromEntries([...components].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  }
}

/** Reads a piece of the document as an object; a piece that is none is a bug here. */
export function asObject(value: Json | undefined): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('expected a JSON object')
  return value
}

/** A value of the contract, such as an example, as it is on the wire. */
export function toJson(value: unknown): Json {
  return z.json().parse(JSON.parse(JSON.stringify(value)))
}

/** The name of the component that a schema refers to, if it is a reference. */
export function referredName(schema: JsonObject): string | undefined {
  const reference = schema['$ref']
  return typeof reference === 'string' ? reference.slice(reference.lastIndexOf('/') + 1) : undefined
}

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const written = z.toJSONSchema(schema, { io, metadata: names, override: ({ jsonSchema }) => shorten(jsonSchema, io) })
  return asObject(toJson(written))
}

/** Leaves out what a reader knows anyway, and what would forbid an answer to gain a field. */
function shorten(schema: z.core.JSONSchema.BaseSchema, io: 'input' | 'output'): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.format === 'date-time' || schema.format === 'email') delete schema.pattern
  if (io === 'output' && schema.additionalProperties === false) delete schema.additionalProperties
}

function keep(components: Map<string, JsonObject>, foundName: string, shape: JsonObject): void {
  const name = anyJsonName.test(foundName) ? 'Json' : foundName
  const schema = name === 'Json' ? anyJson : shape
  const known = components.get(name)
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema))
    throw new Error(`the contract uses the shape ${name} in two ways`)
  components.set(name, schema)
}

function rewrite(value: Json): Json {
  if (Array.isArray(value)) return value.map(rewrite)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== 'id' || typeof value['id'] !== 'string')
  return Object.fromEntries(entries.map(([key, child]) => [key, key === '$ref' ? toComponent(child) : rewrite(child)]))
}

function toComponent(target: Json): string {
  const name = typeof target === 'string' ? target.replace('#/$defs/', '') : ''
  return `#/components/schemas/${anyJsonName.test(name) ? 'Json' : name}`
}
