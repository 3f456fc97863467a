import fastify from 'fastify'
import { expect, test } from 'vitest'
import { Problem } from '../platform/problem.ts'
import { hostGuard } from './host-guard.ts'

test.each([
  ['iam.example.com', false, '/', true],
  ['iam.example.com:443', false, '/', true],
  ['IAM.example.com', false, '/', true],
  ['iam.example.com:80', false, '/', false],
  ['iam.example.com:8443', false, '/', false],
  ['localhost:9000', false, '/', false],
  ['evil.example', false, '/', false],
  ['iam.example.com.evil.example', false, '/', false],
  ['10.0.0.7:9000', false, '/health/live', true],
  ['10.0.0.7:9000', false, '/api/v1/agents', false],
  ['localhost:1', true, '/', true],
  ['127.0.0.1:9000', true, '/', true],
  ['[::1]:9000', true, '/', true],
  ['evil.example:9000', true, '/', false],
  ['localhost.evil.example', true, '/', false],
  ['localhost@evil.example', true, '/', false],
])('the host %s, on a loopback address: %s, asking for %s, is let in: %s', async (host, isLoopback, url, isIn) => {
  const server = fastify()
  server.addHook('onRequest', hostGuard('https://iam.example.com', isLoopback))
  server.setErrorHandler((error, _request, reply) => reply.status(error instanceof Problem ? 421 : 500).send())
  server.get('/*', () => 'in')
  const { statusCode } = await server.inject({ url, headers: { host } })
  expect(statusCode).toBe(isIn ? 200 : 421)
})
