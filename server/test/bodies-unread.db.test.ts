import { setTimeout as sleep } from 'node:timers/promises'
import { check } from '@agent-iam/contract/authorization'
import { bulkIdentities } from '@agent-iam/contract/identities'
import { bodyLimitOf, largeBodyBytes, type Operation } from '@agent-iam/contract/operation'
import { operations } from '@agent-iam/contract/operations'
import { importPolicies } from '@agent-iam/contract/policy-files'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from './databases.ts'
import { freePort } from './free-port.ts'
import { sendHead, type Head } from './raw-http.ts'
import { openServer, type TestServer, type TestUser } from './test-server.ts'

const bringsBody = ({ method }: Operation) => method !== 'GET'
const isPublic = ({ action }: Operation) => action === 'public'
const withLargeBodies = operations.filter((each) => bringsBody(each) && bodyLimitOf(each) > largeBodyBytes)
const publicOnes = operations.filter((each) => bringsBody(each) && isPublic(each))

test('no public operation accepts more than 64 KB', () => {
  expect(publicOnes.filter((each) => bodyLimitOf(each) > 65_536 || each.bodyBytesMax !== undefined)).toEqual([])
})

describe.each(databases)('bodies that nobody reads, on %s', (_name, open) => {
  let server: TestServer
  let port: number
  beforeAll(async () => {
    port = await freePort()
    server = await openServer(await open(), { address: `http://localhost:${port}` })
    await server.app.http.listen({ port, host: '127.0.0.1' })
  })
  afterAll(() => server.close())

  const pathOf = ({ path, example }: Operation) =>
    path.replace(/:(\w+)/g, (_, name: string) => String(Reflect.get(Object(example.params), name)))
  const send = (operation: Operation, more: Partial<Head> = {}) =>
    sendHead({ method: operation.method, path: pathOf(operation), port, ...more })
  /** The status that comes though no byte of the body was sent. */
  const statusOf = async (operation: Operation, more: Partial<Head>): Promise<number | undefined> => {
    const request = send(operation, more)
    try {
      return await Promise.race([request.status, sleep(3_000, undefined)])
    } finally {
      request.close()
    }
  }

  test.each(withLargeBodies.map((each) => [each.id, each] as const))(
    '%s refuses who proves nobody before it reads the body',
    async (_id, operation) => {
      const lengths = [{ 'content-length': bodyLimitOf(operation) }, { 'transfer-encoding': 'chunked' }]
      for (const headers of lengths) {
        expect(await statusOf(operation, { headers })).toBe(401)
        expect(await statusOf(operation, { headers, token: 'nonsense' })).toBe(401)
      }
    },
  )

  test.each(publicOnes.map((each) => [each.id, each] as const))(
    '%s refuses more than 64 KB before it reads it',
    async (_id, operation) => {
      expect(await statusOf(operation, { headers: { 'content-length': 65_537 } })).toBe(413)
    },
  )

  test.each([
    ['an OAuth endpoint', '/oauth/token', 413],
    ['the pushed requests of OAuth', '/oauth/request', 413],
    ['the login page', '/oauth/login', 413],
    ['a path that is none', '/api/v1/nowhere', 413],
    ['a method that is none', '/api/v1/authz/check', 413],
  ])('%s refuses more than 64 KB before it reads it', async (_what, path, status) => {
    const method = path.includes('check') ? 'PUT' : 'POST'
    const request = sendHead({ method, path, port, headers: { 'content-length': 65_537 } })
    expect(await Promise.race([request.status, sleep(3_000)])).toBe(status)
    request.close()
  })

  describe('of somebody known', () => {
    let user: TestUser
    beforeAll(async () => {
      user = await server.user()
    })
    const large = { 'content-length': 200_000 }

    test.each([importPolicies, bulkIdentities])('who lacks the right is refused before: $id', async (operation) => {
      expect(await statusOf(operation, { token: user.token, headers: large })).toBe(403)
    })

    test.each([
      ['of another type', 415, { ...large, 'content-type': 'text/plain' }],
      ['with a form', 415, { ...large, 'content-type': 'multipart/form-data; boundary=x' }],
      ['compressed', 415, { ...large, 'content-encoding': 'gzip' }],
      ['over the limit', 413, { 'content-length': 262_145 }],
    ])('a body %s is refused unread', async (_what, status, headers) => {
      expect(await statusOf(check, { token: user.token, headers })).toBe(status)
    })

    test('a client that asks before it sends is answered first', async () => {
      const headers = { 'content-length': 100, expect: '100-continue' }
      const refused = send(check, { headers })
      expect(await refused.status).toBe(401)
      expect(refused.received).not.toContain('100 Continue')
      expect(refused.received.toLowerCase()).toContain('connection: close')
      const body = JSON.stringify({ resource: 'file/a', action: 'read' })
      const known = send(check, { token: user.token, headers: { ...headers, 'content-length': body.length } })
      while (!known.received.includes('100 Continue')) await sleep(10)
      await known.write(body)
      expect(await known.status).toBe(200)
      known.close()
    })

    test('what a GET sends is not read, and the connection serves the next request', async () => {
      const request = sendHead({ method: 'GET', path: '/health/live', port, headers: { 'content-length': 3 } })
      expect(await request.status).toBe(200)
      await request.write(`abcGET /health/live HTTP/1.1\r\nhost: localhost:${port}\r\n\r\n`)
      while (request.received.split('HTTP/1.1 200').length < 3) await sleep(10)
      request.close()
    })

    test('a client that sends on and on after it was refused is cut off', async () => {
      const request = send(importPolicies, { headers: { 'content-length': 8_000_000 } })
      expect(await request.status).toBe(401)
      const piece = Buffer.alloc(65_536)
      for (let n = 0; n < 120 && !request.socket.destroyed; n++) {
        await request.write(piece)
        await sleep(1)
      }
      expect(request.socket.destroyed).toBe(true)
    })

    test('a body that stops arriving ends with 408, and is on record', async () => {
      const request = send(check, { token: user.token, headers: { 'content-length': 100 } })
      await request.write('{')
      expect(await request.status).toBe(408)
      expect(request.received).toContain('request-timeout')
      const { requestId } = JSON.parse(request.received.slice(request.received.indexOf('\r\n\r\n') + 4))
      expect(await server.refusals(user.tenantId, requestId)).toMatchObject([{ reasons: ['request-timeout'] }])
      request.close()
    }, 20_000)
  })
})
