import { describe, expect, test } from 'vitest'
import { requireHeadersSafe, retrySecondsAfter } from './model.ts'

const letter = { to: 'ada@example.com', subject: 'Set a new password', text: 'any\r\ntext' }

describe('the headers of a letter', () => {
  test('are taken as they should be', () => expect(() => requireHeadersSafe(letter)).not.toThrow())

  test.each([
    ['a second recipient', { to: 'ada@example.com,eve@example.com' }],
    ['a group of recipients', { to: 'all:ada@example.com;' }],
    ['a recipient with another name', { to: '"Ada" <eve@example.com>' }],
    ['a header behind the recipient', { to: 'ada@example.com\r\nBcc: eve@example.com' }],
    ['a recipient that goes on for ever', { to: `${'a'.repeat(250)}@example.com` }],
    ['a header behind the subject', { subject: 'x\r\nBcc: eve@example.com' }],
    ['a bare line feed in the subject', { subject: 'x\nBcc: eve@example.com' }],
    ['a NUL in the subject', { subject: 'x\u0000' }],
    ['a line break of another kind', { subject: 'x\u2028Bcc: eve@example.com' }],
  ])('are refused with %s', (_what, injected) => {
    expect(() => requireHeadersSafe({ ...letter, ...injected })).toThrow(/is not one/)
  })
})

test('each retry waits twice as long, up to a quarter of an hour', () => {
  expect([1, 2, 3, 8, 1000].map(retrySecondsAfter)).toEqual([10, 20, 40, 900, 900])
})
