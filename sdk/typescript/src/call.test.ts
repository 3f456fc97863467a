import { getAgent, listAgents, suspendAgent } from '@agent-iam/contract/agents'
import { expect, test } from 'vitest'
import { call, normaliseServer } from './call.ts'
import { UnexpectedAnswerError, UnreachableError } from './errors.ts'

const agentId = `agt_${'1'.repeat(32)}` as const

function answering(response: Response) {
  const seen: Request[] = []
  const fetch = (input: string | URL | Request, init?: RequestInit) => {
    seen.push(new Request(input, init))
    return Promise.resolve(response)
  }
  return { seen, fetch }
}

test('path, query, token and body lie where the operation says', async () => {
  const { seen, fetch } = answering(Response.json({ agents: [], nextCursor: null }))
  await call({ server: 'https://iam.test/base/', token: 't', fetch }, listAgents, { query: { limit: 5, name: 'a&b' } })
  expect(seen[0]?.url).toBe('https://iam.test/base/api/v1/agents?limit=5&name=a%26b')
  expect(seen[0]?.headers.get('authorization')).toBe('Bearer t')
  expect(seen[0]?.headers.has('content-type')).toBe(false)
})

test('a redirect is never followed', async () => {
  const { seen, fetch } = answering(Response.json({}))
  await expect(call({ server: 'http://a.test', fetch }, getAgent, { params: { agentId } })).rejects.toBeInstanceOf(
    UnexpectedAnswerError,
  )
  expect(seen[0]?.redirect).toBe('error')
})

test('a problem is a RefusedError with the code, the detail and each field', async () => {
  const problem = {
    type: 'urn:agent-iam:problem:wrong-state',
    title: 'T',
    status: 409,
    code: 'wrong-state',
    requestId: 'r',
  }
  const errors = [{ field: 'body.reason', message: 'is too long' }]
  const { fetch } = answering(Response.json({ ...problem, detail: 'it is revoked', errors }, { status: 409 }))
  await expect(call({ server: 'http://a.test', fetch }, suspendAgent, { params: { agentId } })).rejects.toMatchObject({
    name: 'RefusedError',
    code: 'wrong-state',
    message: 'it is revoked; body.reason is too long',
  })
})

test.each([
  ['a proxy’s page', new Response('<h1>Bad gateway</h1>', { status: 502 })],
  ['a page with status 200', new Response('<h1>Welcome</h1>')],
  ['an answer that breaks the contract', Response.json({ agentId: 'nobody' })],
])('%s is told apart from a refusal', async (_what, response) => {
  const { fetch } = answering(response)
  await expect(call({ server: 'http://a.test', fetch }, getAgent, { params: { agentId } })).rejects.toBeInstanceOf(
    UnexpectedAnswerError,
  )
})

test('where nothing listens, the error names the address and the reason', async () => {
  const error = await call({ server: 'http://127.0.0.1:1' }, listAgents).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(UnreachableError)
  expect(String(error)).toMatch(/no answer from http:\/\/127\.0\.0\.1:1\/api\/v1\/agents: \S/)
})

test('an address has one spelling', () => {
  expect(normaliseServer('HTTP://LocalHost:9000/')).toBe('http://localhost:9000')
  expect(() => normaliseServer('localhost:9000')).toThrow('should look like http://localhost:9000')
})
