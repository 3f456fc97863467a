import { expect, test } from 'vitest'
import { inNoWorld } from '../../../test/no-world.ts'
import { fromLeaf, toLeaf } from './model.ts'

const event = {
  id: inNoWorld.newId('event'),
  type: 'agent.updated',
  at: new Date('2030-01-02T03:04:05Z'),
} as const
const origin = { log: inNoWorld.newId('log'), actor: 'usr_1', requestId: 'req_1', traceId: undefined }

test('a leaf of version 2 says which session, credential and client acted', () => {
  const authentication = { session: inNoWorld.newId('session'), credential: 'apk_1', client: 'cli_1' }
  const leaf = fromLeaf(toLeaf(event, { ...origin, authentication }, null))
  expect(leaf).toMatchObject({ v: 2, ...authentication })
})

test('the authentication of the event itself takes the place of that of the caller', () => {
  const session = inNoWorld.newId('session')
  const bytes = toLeaf(
    { ...event, authentication: { session } },
    { ...origin, authentication: { credential: 'x' } },
    null,
  )
  expect(fromLeaf(bytes)).toMatchObject({ session, credential: null, client: null })
})

test('a leaf of version 1 is read, without authentication', () => {
  const { session: _, credential: __, client: ___, ...before } = JSON.parse(textOf(event))
  const leaf = fromLeaf(new TextEncoder().encode(JSON.stringify({ ...before, v: 1 })))
  expect(leaf).toMatchObject({ v: 1, actor: 'usr_1', session: null, credential: null, client: null })
})

test.each([
  ['of an unknown version', { v: 3 }],
  ['of version 2 without a session', { session: undefined }],
])('a leaf %s is refused', (_what, change) => {
  const leaf = JSON.stringify({ ...JSON.parse(textOf(event)), ...change })
  expect(() => fromLeaf(new TextEncoder().encode(leaf))).toThrow('Invalid input')
})

function textOf(one: typeof event): string {
  return new TextDecoder().decode(toLeaf(one, { ...origin, authentication: {} }, null))
}
