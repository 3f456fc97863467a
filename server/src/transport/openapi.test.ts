import { readFileSync } from 'node:fs'
import { operations } from '@agent-iam/contract/operations'
import { problems } from '@agent-iam/contract/problems'
import { describe, expect, test } from 'vitest'
import { asObject, type JsonObject } from './openapi-schemas.ts'
import { openApiDocument } from './openapi.ts'

const document = openApiDocument('http://localhost:9000')
const described = Object.entries(asObject(document['paths'])).flatMap(([path, methods]) =>
  Object.entries(asObject(methods)).map(([method, operation]) => ({ path, method, operation: asObject(operation) })),
)

describe('the OpenAPI document', () => {
  test('as committed says what the contract says; `npm run openapi` writes it anew', () => {
    const committed = readFileSync(new URL('../../../docs/api/openapi.json', import.meta.url), 'utf8')
    expect(committed).toBe(`${JSON.stringify(document, null, 2)}\n`)
  })

  test('describes every operation once, under an id of its own', () => {
    const ids = described.map(({ operation }) => operation['operationId'])
    expect(new Set(ids)).toEqual(new Set(operations.map(({ id }) => id)))
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('refers only to what it holds', () => {
    const references = valuesOf(document, '$ref')
    expect(references.length).toBeGreaterThan(100)
    for (const reference of references) expect(lookUp(String(reference)), String(reference)).toBeDefined()
  })

  test('declares each parameter of each path, and no other', () => {
    expect(described.length).toBeGreaterThan(0)
    for (const { path, operation } of described) {
      const inPath = parametersOf(operation).filter((parameter) => parameter['in'] === 'path')
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(inPath.map((parameter) => parameter['name'])).toEqual(named)
      expect(inPath.every((parameter) => parameter['required'] === true)).toBe(true)
    }
  })

  test('asks for a token wherever the contract does not say public', () => {
    const open = described.filter(({ operation }) => JSON.stringify(operation['security']) === '[]')
    expect(open.length).toBeGreaterThan(0)
    expect(open.every(({ operation }) => operation['x-action'] === 'public')).toBe(true)
    expect(described.filter(({ operation }) => operation['x-action'] !== 'public').length).toBeGreaterThan(10)
  })

  test('tells each refusal of an operation under its status', () => {
    const remove = described.find(({ operation }) => operation['operationId'] === 'deleteAgent')
    const statuses = Object.keys(asObject(remove?.operation['responses']))
    expect(statuses).toEqual(['200', '400', '401', '403', '404', '409', '412', '421', '429', '500', '503'])
  })

  test('leaves no name of the generator behind', () => {
    expect(JSON.stringify(document)).not.toMatch(/__schema|\$defs|\$schema/)
  })
})

test('the page of problems tells every code with what to do', () => {
  const page = readFileSync(new URL('../../../docs/problems.md', import.meta.url), 'utf8')
  for (const [code, { status, title, advice }] of Object.entries(problems))
    expect(page).toContain(`\`${code}\` | ${status} | ${title} | ${advice} |`)
})

test.each(operations.map((operation) => [operation.id, operation] as const))(
  'the example of %s is valid',
  (_id, operation) => {
    const { params, query, body } = operation.example
    expect(operation.params?.safeParse(params).error).toBeUndefined()
    expect(operation.query?.safeParse(query).error).toBeUndefined()
    expect(operation.body?.safeParse(body).error).toBeUndefined()
  },
)

function parametersOf(operation: JsonObject): JsonObject[] {
  const parameters = operation['parameters'] ?? []
  return Array.isArray(parameters) ? parameters.map(asObject) : []
}

function valuesOf(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, child]) => (name === key ? [child] : valuesOf(child, key)))
}

function lookUp(reference: string): unknown {
  let found: unknown = document
  for (const step of reference.replace('#/', '').split('/'))
    found =
      typeof found === 'object' && found !== null
        ? Object.entries(found).find(([name]) => name === step)?.[1]
        : undefined
  return found
}
