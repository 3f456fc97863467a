import { expect, test } from 'vitest'
import { validatePolicies, validatePolicy } from './validate.ts'

const permit = 'permit(principal, action, resource);'

const owner = { tenantId: 'ten_1', roots: ['usr_1'] }

test('a policy is checked in a thread of its own', async () => {
  expect(await validatePolicy(owner, permit)).toMatchObject({ effect: 'permit' })
})

test('text that traps the library is refused, and the next policy is checked as ever', async () => {
  const trapping = `permit(principal, action, resource) when { ${Array.from({ length: 8_000 }, () => 'true').join('&&')} };`
  expect(await validatePolicy(owner, trapping)).toEqual({ errors: [{ message: 'the policy is nested too deeply' }] })
  expect(await validatePolicy(owner, permit)).toMatchObject({ effect: 'permit' })
})

test('the place of an error comes back from the thread', async () => {
  expect(await validatePolicy(owner, 'permit(\n  principal')).toMatchObject({ errors: [{ line: 2 }] })
})

test.each([
  ['too long a text', ' '.repeat(65_537), 'the policy is longer than 65536 characters'],
  ['a NUL', `${permit}\u0000`, 'the policy holds a NUL or half a character'],
  ['half a character', `${permit} // \ud800`, 'the policy holds a NUL or half a character'],
])('%s is refused', async (_name, text, message) => {
  expect(await validatePolicy(owner, text)).toEqual({ errors: [{ message }] })
})

test('many are checked as each would be alone, also after one that traps the library or is unreadable', async () => {
  const trapping = `permit(principal, action, resource) when { ${Array.from({ length: 8_000 }, () => 'true').join('&&')} };`
  const texts = [permit, trapping, 'permit(', ' '.repeat(65_537), ...Array.from({ length: 60 }, () => permit)]
  const alone = [
    await validatePolicy(owner, permit),
    await validatePolicy(owner, trapping),
    await validatePolicy(owner, 'permit('),
  ]
  const checks = await validatePolicies(owner, texts)
  expect(checks).toHaveLength(texts.length)
  expect(checks.slice(0, 3)).toEqual(alone)
  expect(checks[3]).toEqual({ errors: [{ message: 'the policy is longer than 65536 characters' }] })
  expect(new Set(checks.slice(4).map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(alone[0])]))
})
