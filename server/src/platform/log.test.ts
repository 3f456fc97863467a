import { expect, test } from 'vitest'
import { createLog } from './log.ts'

function logged(error: unknown): string {
  let text = ''
  createLog('info', (line) => {
    text += line
  }).warn({ error }, 'failed')
  return text
}

/** As Redis clients make it: the command that failed, its arguments included, hangs on the error. */
function wrongPassword(): Error {
  const command = { name: 'auth', args: ['s3cret-of-redis'] }
  return Object.assign(new Error('WRONGPASS invalid username-password pair'), { code: 'WRONGPASS', command })
}

test('what a library hangs on its error stays out of the log, on a cause as well', () => {
  const outer = new Error('Redis refused', { cause: wrongPassword() })
  for (const error of [wrongPassword(), outer, { args: ['s3cret-of-redis'] }])
    expect(logged(error)).not.toContain('s3cret-of-redis')
})

test('of an error the log tells type, message, stack, code and cause', () => {
  const error = JSON.parse(logged(new TypeError('outer', { cause: wrongPassword() }))).error
  expect(error).toMatchObject({ type: 'TypeError', message: 'outer', cause: { code: 'WRONGPASS' } })
  expect(error.stack).toContain('log.test.ts')
  expect(Object.keys(error.cause).toSorted()).toEqual(['code', 'message', 'stack', 'type'])
})

test('a circle of causes comes to an end', () => {
  const error = new Error('round')
  error.cause = error
  expect(logged(error)).toContain('round')
})

test('what is thrown and is no error is described as far as it describes itself', () => {
  const thrown = JSON.parse(
    logged({ name: 'InvalidGrant', message: 'grant not found', code: 7, secret: 's3cret' }),
  ).error
  expect(thrown).toEqual({ type: 'InvalidGrant', message: 'grant not found', code: 7 })
  expect(JSON.parse(logged(Object.create(null))).error).toEqual({ type: 'thrown: object' })
  expect(JSON.parse(logged(null)).error).toBe('thrown: object')
  expect(JSON.parse(logged('words')).error).toBe('words')
})
