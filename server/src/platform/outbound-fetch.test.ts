import { createServer, type Server } from 'node:https'
import type { RequestListener } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { platformTenantId } from '@agent-iam/contract/ids'
import { selfSigned } from '../../test/certificates.ts'
import { TestClock } from '../../test/test-clock.ts'
import { createOutboundFetch, type OutboundFetch } from './outbound-fetch.ts'
import { isPublicAddress } from './public-address.ts'

let server: Server
let port: number
let ca: string
let answer: RequestListener
const clock = new TestClock()
const asked: string[] = []

beforeAll(async () => {
  const { key, pem: cert } = await selfSigned('metadata.example', { host: 'metadata.example' })
  ca = cert
  server = createServer({ key, cert }, (request, response) => {
    asked.push(`${request.method} ${request.headers.host}${request.url}`)
    answer(request, response)
  })
  port = await new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    }),
  )
})
afterAll(() => server.close())

/** Everything resolves to our server, which stands on a special address; only `allowedNetworks` lets it be reached. */
function outbound(allowedNetworks = ['127.0.0.1'], addresses = ['127.0.0.1']): OutboundFetch {
  const resolve = () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
  return createOutboundFetch({ clock, allowedNetworks, resolve, ca })
}

const tenantId = platformTenantId

test('what is reached is the host by its name, at the address that was checked', async () => {
  answer = (_request, response) => response.setHeader('content-type', 'application/json').end('{"a":1}')
  const response = await outbound().untrusted({ tenantId })(`https://metadata.example:${port}/client`)
  expect(await response.json()).toEqual({ a: 1 })
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(asked.at(-1)).toBe(`GET metadata.example:${port}/client`)
})

test('a name that points to a special address is not asked at all', async () => {
  const before = asked.length
  const inside = [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:127.0.0.1'], ['64:ff9b::7f00:1'], []]
  for (const addresses of inside)
    await expect(outbound([], addresses).untrusted({ tenantId })(`https://metadata.example:${port}/`)).rejects.toThrow(
      'not an address of the public Internet',
    )
  for (const literal of ['127.0.0.1', '[::1]', '[::ffff:7f00:1]', '0x7f.1', '2130706433', '169.254.169.254'])
    await expect(outbound([]).untrusted({ tenantId })(`https://${literal}:${port}/`)).rejects.toThrow('public Internet')
  expect(asked.length).toBe(before)
})

test.each([
  ['127.0.0.1', '10.1.2.3', '100.64.0.1', '169.254.169.254', '192.0.2.1', '198.18.0.1', '224.0.0.1', '0.0.0.0'],
  ['::1', '::', 'fe80::1', 'fc00::1', 'fec0::1', '2001:db8::1', '3fff::1', 'ff02::1'],
  ['::ffff:10.0.0.1', '::7f00:1', '64:ff9b::a00:1', '64:ff9b:1::1', '2002:a00:1::', '2001::1'],
])('special-use and wrapped addresses are not public: %s, …', (...addresses) => {
  expect(addresses.filter(isPublicAddress)).toEqual([])
})

test('addresses of the public Internet are public', () => {
  expect(['8.8.8.8', '2606:4700::1111'].every(isPublicAddress)).toBe(true)
})

test('http, redirects, large answers and anything but reading are refused', async () => {
  const fetchUntrusted = outbound().untrusted({ tenantId, bytesMax: 5120 })
  await expect(fetchUntrusted(`http://metadata.example:${port}/`)).rejects.toThrow('only https')
  await expect(fetchUntrusted(`https://metadata.example:${port}/`, { method: 'POST' })).rejects.toThrow('only read')
  answer = (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end()
  await expect(fetchUntrusted(`https://metadata.example:${port}/redirect`)).rejects.toThrow('could not be fetched')
  answer = (_request, response) => response.end('x'.repeat(5121))
  await expect(fetchUntrusted(`https://metadata.example:${port}/large`)).rejects.toThrow('larger than 5120 bytes')
})

test('a host that failed is not asked again at once', async () => {
  const one = outbound().untrusted({ tenantId })
  const url = `https://metadata.example:${port}/broken`
  answer = (request) => request.socket.destroy()
  await expect(one(url)).rejects.toThrow('could not be fetched')
  answer = (_request, response) => response.end('well again')
  await expect(one(url)).rejects.toThrow('a moment ago')
  clock.advance(31)
  expect(await (await one(url)).text()).toBe('well again')
})

test('a tenant has five fetches at once, and another tenant has its own', async () => {
  const outside = outbound()
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  answer = (_request, response) => void held.then(() => response.end('late'))
  const urls = Array.from({ length: 5 }, (_, each) => `https://metadata.example:${port}/${each}`)
  const running = urls.map((url) => outside.untrusted({ tenantId })(url))
  await expect(outside.untrusted({ tenantId })(`https://metadata.example:${port}/sixth`)).rejects.toThrow('too many')
  const other = outside.untrusted({ tenantId: `ten_${'0'.repeat(32)}` })(`https://metadata.example:${port}/other`)
  release()
  expect(await Promise.all([...running, other].map(async (each) => (await each).text()))).toEqual(Array(6).fill('late'))
})

test('a host that does not answer costs three seconds at most', { timeout: 10_000 }, async () => {
  answer = () => {}
  const began = performance.now()
  await expect(outbound().untrusted({ tenantId })(`https://metadata.example:${port}/silent`)).rejects.toThrow('fetched')
  expect(performance.now() - began).toBeLessThan(6000)
})

test('what the operator configured is reached in any network, but not in the clear, and redirects are not followed', async () => {
  const fetchConfigured = outbound([]).operator({ bytesMax: 5120 })
  answer = (_request, response) => response.end('of the operator')
  const response = await fetchConfigured(`https://metadata.example:${port}/range`)
  expect(await response.text()).toBe('of the operator')
  await expect(fetchConfigured(`http://metadata.example:${port}/range`)).rejects.toThrow('only https')
  answer = (_request, reply) => reply.writeHead(302, { location: '/elsewhere' }).end()
  await expect(fetchConfigured(`https://metadata.example:${port}/range`)).rejects.toThrow('could not be fetched')
  answer = (_request, reply) => reply.end('x'.repeat(5121))
  await expect(fetchConfigured(`https://metadata.example:${port}/range`)).rejects.toThrow('larger than')
})
