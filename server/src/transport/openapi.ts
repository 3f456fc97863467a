import type { Json } from '@agent-iam/contract/json'
import type { Operation } from '@agent-iam/contract/operation'
import { operationGroups } from '@agent-iam/contract/operations'
import { ProblemDocument, problems, type ProblemCode } from '@agent-iam/contract/problems'
import { takesKey } from '../platform/idempotency.ts'
import { madeOnce } from './made-once.ts'
import { asObject, schemaWriter, toJson, type JsonObject, type SchemaWriter } from './openapi-schemas.ts'

/** The release of the API that the document describes. */
const apiVersion = '0.1.0'

const description = `Identity and access management for AI agents: register, authenticate, decide, record.

Paths under \`/api/v1\` are also answered under \`/v1\`. Bodies are JSON; an unknown field is refused, but by the operations of AuthZEN, which pass over it.
A refusal is a problem document (RFC 9457) whose \`code\` is stable. Where requests are limited, the headers \`RateLimit\` and
\`RateLimit-Policy\` tell how many are left; what is refused for it (429) says in \`Retry-After\` how long to wait.`

const methods = ['POST', 'GET', 'PUT', 'PATCH', 'DELETE']

/** The groups of the contract, each by path and method: how modules list their exports is not the same everywhere. */
export const documentedGroups = operationGroups.map(({ title, operations }) => ({
  title,
  operations: operations.toSorted(
    (a, b) => compare(a.path, b.path) || methods.indexOf(a.method) - methods.indexOf(b.method),
  ),
}))

/** The whole API as OpenAPI 3.1, made from the contract. */
export const openApiDocument = madeOnce(describeApi)

function describeApi(publicUrl: string): JsonObject {
  const schemas = schemaWriter()
  schemas.write(ProblemDocument, 'output')
  const paths: JsonObject = {}
  for (const { title, operations } of documentedGroups)
    for (const operation of operations) {
      const path = bracePath(operation.path)
      const described = describe(operation, title, schemas)
      paths[path] = { ...asObject(paths[path] ?? {}), [operation.method.toLowerCase()]: described }
    }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Agent IAM',
      version: apiVersion,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl }],
    tags: operationGroups.map(({ title }) => ({ name: title })),
    paths,
    components: {
      securitySchemes,
      schemas: schemas.components(),
      responses: refusalResponses(),
      examples: problemExamples(),
    },
  }
}

/** Every refusal that a client of this operation must expect: its own, and those that operations share. */
export function problemsOf(operation: Operation): ProblemCode[] {
  const codes: ProblemCode[] = ['invalid-request', ...operation.problems, 'foreign-host', 'rate-limited']
  if (operation.action !== 'public')
    codes.push(
      'unauthenticated',
      'invalid-token',
      'token-revoked',
      'identity-inactive',
      'insufficient-scope',
      'too-many-attempts',
    )
  if (operation.action !== 'public' || operation.bindsTokens) codes.push('invalid-proof', 'use-dpop-nonce', 'replayed')
  if (takesKey(operation)) codes.push('idempotency-mismatch')
  if (honoursIfMatch(operation)) codes.push('precondition-failed')
  if (operation.body !== undefined) codes.push('request-timeout', 'too-large')
  // AuthZEN has no status for it: it is malformed.
  if (operation.body !== undefined && !operation.refusesIn) codes.push('unsupported-media-type')
  codes.push('internal-error', 'unavailable')
  return [...new Set(codes)].toSorted((a, b) => problems[a].status - problems[b].status)
}

const securitySchemes: JsonObject = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token from `/api/v1/auth/login`. To register agents, an enrolment token does as well.',
  },
}

function bracePath(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}')
}

function describe(operation: Operation, tag: string, schemas: SchemaWriter): JsonObject {
  const aliases = operation.aliases?.map(bracePath) ?? []
  const parameters = [
    ...parametersOf(operation, 'path', schemas),
    ...parametersOf(operation, 'query', schemas),
    ...(takesKey(operation) ? [idempotencyKey] : []),
    ...(honoursIfMatch(operation) ? [ifMatch] : []),
  ]
  return {
    operationId: operation.id,
    tags: [tag],
    summary: operation.summary,
    ...(aliases.length > 0 && { description: `Also answered at ${aliases.join(', ')}.`, 'x-aliases': aliases }),
    'x-action': operation.action,
    // What a request counts against limits, where that is not one.
    ...(operation.cost && { 'x-cost': { ...operation.cost } }),
    security: security(operation),
    ...(parameters.length > 0 && { parameters }),
    ...(operation.body && { requestBody: requestBody(operation, schemas) }),
    responses: { [operation.status]: success(operation, schemas), ...refusals(operation) },
  }
}

const idempotencyKey: JsonObject = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'Any text of your own. Repeated with the same request within a day, it gets the first answer again.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
}

const ifMatch: JsonObject = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'The `ETag` of what was read: what has changed since is refused as `precondition-failed`.',
  schema: { type: 'string', maxLength: 255 },
}

/** What makes a thing has no revision to compare yet, and what reads it does not mind. */
function honoursIfMatch({ hasRevision, method, params }: Operation): boolean {
  const isMaking = method === 'POST' && params === undefined
  return hasRevision === true && method !== 'GET' && !isMaking
}

/** A public operation that can answer `unauthenticated` takes a token without needing one everywhere. */
function security({ action, problems: own }: Operation): Json[] {
  if (action !== 'public') return [{ bearer: [] }]
  return own.includes('unauthenticated') ? [{}, { bearer: [] }] : []
}

function parametersOf(operation: Operation, place: 'path' | 'query', schemas: SchemaWriter): JsonObject[] {
  const schema = place === 'path' ? operation.params : operation.query
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemas.write(schema, 'input')
  const examples = new Map(
    Object.entries((place === 'path' ? operation.example.params : operation.example.query) ?? {}),
  )
  return Object.entries(asObject(properties)).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || (Array.isArray(required) && required.includes(name)),
    schema: property,
    ...(examples.has(name) && { example: toJson(examples.get(name)) }),
  }))
}

function requestBody({ body, example }: Operation, schemas: SchemaWriter): JsonObject {
  if (body === undefined) return {}
  return {
    required: !body.safeParse(undefined).success,
    content: {
      'application/json': { schema: schemas.write(body, 'input'), example: toJson(example.body) },
    },
  }
}

function success({ response, produces, hasRevision }: Operation, schemas: SchemaWriter): JsonObject {
  const mediaType = produces ?? 'application/json'
  const content = { [mediaType]: { schema: schemas.write(response, 'output') } }
  return { description: 'Done.', ...(hasRevision && { headers: { ETag: entityTag } }), content }
}

const entityTag: JsonObject = { description: 'The `revision`, in quotes.', schema: { type: 'string' } }

/** Refusals by status; operations that refuse alike share a response, for the document's size. */
function refusals(operation: Operation): JsonObject {
  const byStatus = Map.groupBy(problemsOf(operation), (code) => problems[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      { $ref: `#/components/responses/${refusalName(codes, operation)}` },
    ]),
  )
}

function refusalName(codes: readonly ProblemCode[], { refusesIn }: Operation): string {
  return [...codes, ...(refusesIn ? ['text'] : [])].join('.')
}

function refusalResponses(): JsonObject {
  const named = documentedGroups
    .flatMap(({ operations }) => operations)
    .flatMap((operation) =>
      [...Map.groupBy(problemsOf(operation), (code) => problems[code].status).values()].map(
        (codes): [string, JsonObject] => [refusalName(codes, operation), refusal(codes, operation)],
      ),
    )
  return Object.fromEntries(named.toSorted(([a], [b]) => compare(a, b)))
}

function refusal(codes: readonly ProblemCode[], { refusesIn }: Operation): JsonObject {
  const waits = codes.some((code) => problems[code].status === 429)
  return {
    ...(waits && { headers: { 'Retry-After': retryAfter } }),
    description: codes.map((code) => `\`${code}\`: ${problems[code].title}. ${problems[code].advice}`).join('\n'),
    content: {
      ...(refusesIn && { [refusesIn]: { schema: { type: 'string' } } }),
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/ProblemDocument' },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  }
}

const retryAfter: JsonObject = { description: 'Seconds to wait.', schema: { type: 'integer' } }

function problemExamples(): JsonObject {
  const requestId = 'req_0198c5a1f3e07b2c8d4e6f708192a3b4'
  const entries = Object.entries(problems).map(([code, { status, title, advice }]): [string, Json] => [
    code,
    {
      summary: title,
      value: { type: `urn:agent-iam:problem:${code}`, title, status, detail: advice, code, requestId },
    },
  ])
  return Object.fromEntries(entries)
}

/** By code unit: the same on every machine. */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
