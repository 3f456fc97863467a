import { operations } from '@agent-iam/contract/operations'
import { expect, test } from 'vitest'
import { connect } from '../src/connect.ts'

test('every operation of the API has a name in the client', async () => {
  const asked: string[] = []
  const fetch: typeof globalThis.fetch = (input, init) => {
    asked.push(`${init?.method} ${new Request(input).url.replace('http://server.example', '')}`)
    return Promise.reject(new TypeError('nothing is sent'))
  }
  const client = connect({ server: 'http://server.example', fetch })
  const calls = Object.values(client).flatMap((group): unknown[] => Object.values(group))
  for (const call of calls) if (typeof call === 'function') await Promise.resolve(call()).catch(() => undefined)
  expect(asked.toSorted()).toEqual(
    operations.map(({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, 'undefined')}`).toSorted(),
  )
})
