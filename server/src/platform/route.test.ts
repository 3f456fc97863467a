import { operation } from '@agent-iam/contract/operation'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { inNoWorld } from '../../test/no-world.ts'
import { Problem } from './problem.ts'
import { route, slowRoute, type Route } from './route.ts'

const echo = operation({
  id: 'echo',
  method: 'POST',
  path: '/echo/:id',
  action: 'public',
  summary: 'Answers with what it was sent.',
  params: z.strictObject({ id: z.string().max(3) }),
  body: z.union([
    z.strictObject({ kind: z.literal('a'), size: z.int() }),
    z.strictObject({ name: z.string(), more: z.string() }),
  ]),
  status: 200,
  response: z.object({ said: z.string() }),
  problems: [],
  example: { params: { id: 'x' }, body: { kind: 'a', size: 1 } },
})

const good = { params: { id: 'x' }, query: {}, body: { kind: 'a', size: 1 } }
const answering = (said: unknown) => route(echo, () => Promise.resolve(Object({ said })))
const answer = async (asked: Route, raw: typeof good) => (await asked.prepare(inNoWorld, raw))(inNoWorld)
const send = (changes: object) => answer(answering('x'), { ...good, ...changes })

test('what fits is answered, without what the contract does not promise', async () => {
  const chatty = route(echo, () => Promise.resolve({ said: 'yes', secret: 'no' }))
  expect(await answer(chatty, good)).toEqual({ said: 'yes' })
})

test.each([
  ['the path', { params: { id: 'long' } }, ['id']],
  ['a query where there is none', { query: { x: '1' } }, []],
  ['a body that fits no form: the nearest one’s faults', { body: { kind: 'a', size: 'big' } }, ['size']],
  ['two faults', { body: { kind: 'a', size: 1.5, extra: 1 } }, ['size', 'body']],
])('a fault in %s is named', async (_where, changes, fields) => {
  const problem = await send(changes).catch((error: unknown) => error)
  expect(problem).toBeInstanceOf(Problem)
  expect(problem).toMatchObject({ code: 'invalid-request' })
  const named = problem instanceof Problem ? problem.errors.map(({ field }) => field) : undefined
  expect(named).toEqual(fields)
})

test('an answer that breaks the contract is our fault, not the caller’s', async () => {
  const broken = answer(answering(7), good)
  await expect(broken).rejects.toBeInstanceOf(z.core.$ZodError)
  await expect(broken).rejects.not.toBeInstanceOf(Problem)
})

test('of many faults, as many are told as a person reads', async () => {
  const problem = await send({
    body: Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`field${n}`, n])),
  }).catch((error: unknown) => error)
  expect(problem).toMatchObject({ code: 'invalid-request' })
  if (!(problem instanceof Problem)) throw new Error('not refused')
  expect(problem.detail.length).toBeLessThanOrEqual(1000)
  expect(problem.errors.length).toBeLessThanOrEqual(20)
})

test('what is slow is done before the work begins, and its finding is given to it', async () => {
  const done: string[] = []
  const find = () => {
    done.push('found')
    return Promise.resolve('a finding')
  }
  const slow = slowRoute(echo, find, (_ctx, _input, found) => Promise.resolve({ said: found }))
  const work = await slow.prepare(inNoWorld, good)
  expect(done).toEqual(['found'])
  expect(await work(inNoWorld)).toEqual({ said: 'a finding' })
  expect(done).toEqual(['found'])
})
