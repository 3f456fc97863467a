import { expect, test } from 'vitest'
import { describeSecret, newTotpSecret, stepOfCode } from './totp.ts'

/** The secret of RFC 6238, appendix B; its codes there have eight digits, of which an app shows the last six. */
const secret = Buffer.from('12345678901234567890')

test.each([
  [59, '287082', 1],
  [1111111109, '081804', 37037036],
  [1234567890, '005924', 41152263],
  [20000000000, '353130', 666666666],
])('at %i seconds the code is %s', (seconds, code, step) => {
  expect(stepOfCode(secret, code, new Date(seconds * 1000))).toBe(step)
})

test('a code is good one step before and after its own, and names its own step', () => {
  const at = (seconds: number) => stepOfCode(secret, '287082', new Date(seconds * 1000))
  expect([-1, 0, 29, 30, 59, 60, 89, 90].map(at)).toEqual([undefined, 1, 1, 1, 1, 1, 1, undefined])
})

test.each(['287083', '28708', '2870822', '', '２８７０８２'])('%j is no code', (code) => {
  expect(stepOfCode(secret, code, new Date(59_000))).toBeUndefined()
})

test('a secret is told in base32 and as a URI that an app reads', () => {
  expect(describeSecret(secret, { issuer: 'Agent IAM: x', label: 'a@example.com' })).toEqual({
    secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    otpauthUri: expect.stringMatching(
      /^otpauth:\/\/totp\/Agent%20IAM%3A%20x:a%40example\.com\?issuer=Agent%20IAM%3A%20x&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30$/,
    ),
  })
})

test('a new secret is twenty bytes of chance', () => {
  expect(newTotpSecret((bytes) => Buffer.alloc(bytes, 7))).toEqual(Buffer.alloc(20, 7))
})
