import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { startOwnRedis } from './redis.ts'

test('a Redis of our own answers, stalls while it is paused, and forgets when it is killed', async () => {
  const server = await startOwnRedis()
  const client = new Redis(server.url, { commandTimeout: 300, retryStrategy: () => 50, maxRetriesPerRequest: 100 })
  client.on('error', () => {})
  expect(await client.set('a', '1')).toBe('OK')

  server.pause()
  await expect(client.get('a')).rejects.toThrow('timed out')
  server.resume()
  expect(await client.get('a')).toBe('1')

  await server.kill()
  await server.restart()
  await expect.poll(() => client.get('a').catch(() => 'not yet')).toBeNull()
  client.disconnect()
  await server.stop()
})
