import { problems, type ProblemCode } from '@agent-iam/contract/problems'
import pg from 'pg'
import { expect, test } from 'vitest'
import { Problem, problemDocument } from '../platform/problem.ts'
import { toProblem } from './problem-response.ts'

const isCode = (text: string): text is ProblemCode => Object.hasOwn(problems, text)
const databaseError = (code: string) =>
  Object.assign(new pg.DatabaseError('secret: tables and rows', 0, 'error'), { code })
const withCode = (code: string) => Object.assign(new Error('secret: an address'), { code })

test.each(Object.keys(problems).filter(isCode))('%s is told with its status, title and code', (code) => {
  expect(problemDocument(new Problem(code, 'what to do'), 'req_1')).toEqual({
    type: `urn:agent-iam:problem:${code}`,
    title: problems[code].title,
    status: problems[code].status,
    detail: 'what to do',
    code,
    requestId: 'req_1',
  })
})

test.each([
  ['a bug', new TypeError('secret: x is undefined'), 'internal-error'],
  ['a stored text that is damaged', new SyntaxError('secret: unexpected token'), 'internal-error'],
  ['something that is no error', 'secret', 'internal-error'],
  ['a broken row', databaseError('22P02'), 'internal-error'],
  ['a NUL for a column', databaseError('22021'), 'invalid-request'],
  ['a NUL in JSON for a column', databaseError('22P05'), 'invalid-request'],
  ['a unique violation that nobody expected', databaseError('23505'), 'internal-error'],
  ['a statement that row security refuses', databaseError('42501'), 'internal-error'],
  ['a lost connection', withCode('ECONNRESET'), 'unavailable'],
  ['a database that starts', databaseError('57P03'), 'unavailable'],
  ['a database that stops', databaseError('57P01'), 'unavailable'],
  ['a lock that is not given', databaseError('55P03'), 'unavailable'],
  ['a deadlock', databaseError('40P01'), 'unavailable'],
  ['too many connections', databaseError('53300'), 'unavailable'],
  [
    'a connection that was closed meanwhile',
    new Error('secret: Client was closed and is not queryable'),
    'unavailable',
  ],
  ['a body that is too large', withCode('FST_ERR_CTP_BODY_TOO_LARGE'), 'too-large'],
])('%s is told as it should be, and nothing of its text', (_what, thrown, code) => {
  const problem = toProblem(thrown)
  const text = JSON.stringify(problemDocument(problem, 'req_1'))
  expect(problem.code).toBe(code)
  expect(text).not.toContain('secret')
  expect(problem.cause).toBe(thrown)
})

test('a refusal is told as it was made, without its cause', () => {
  const problem = new Problem('forbidden', 'ask', { cause: 'secret', errors: [{ field: 'a', message: 'b' }] })
  expect(toProblem(problem)).toBe(problem)
  expect(problemDocument(problem, 'req_1')).toMatchObject({ errors: [{ field: 'a', message: 'b' }] })
  expect(JSON.stringify(problemDocument(problem, 'req_1'))).not.toContain('secret')
})
