import { expect, test } from 'vitest'
import { Problem } from '../../platform/problem.ts'
import { requireStrong } from './password-policy.ts'
import { judgedCharactersMax, judgePassword } from './password-strength.ts'

const owner = {
  field: 'newPassword' as const,
  email: 'marie.curie@example.com',
  name: 'Marie Curie',
  tenant: 'institut',
}
const good = 'seven oranges under a violin'

const job = { tenantId: 'ten_1', roots: ['usr_1'] }

test.each([
  ['the address', 'xx marie.curie xx 29'],
  ['the name', 'Curie and her violin 7'],
  ['the tenant', 'oranges of the INSTITUT'],
  ['the product', 'my agent-iam passphrase'],
  ['a common word with a tail', 'password1234'],
  ['one letter', 'a'.repeat(40)],
  ['a run of keys', 'qwertyuiop123456'],
  ['a common one in other letters', 'P4$$w0rdP4$$w0rd'],
  ['one that only leaked', 'correcthorsebatterystaple'],
  ['something weak before what is not judged', `${'ab'.repeat(judgedCharactersMax / 2)}Zk9$vT!x`],
])('%s is refused, with advice', async (_what, chosen) => {
  const refusal = await requireStrong(job, chosen, owner).catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'invalid-request', errors: [{ field: 'newPassword' }] })
  expect(refusal instanceof Problem && refusal.detail.length).toBeGreaterThan(20)
})

test.each([good, 'x9$kQ2!mZ7pL', 'пятнадцать синих апельсинов', `${good} `.repeat(4)])(
  '%s is taken',
  async (chosen) => {
    await expect(requireStrong(job, chosen, owner)).resolves.toBeUndefined()
  },
)

test('what is known of the owner weakens a password', async () => {
  const chosen = 'rumpelstilz-wolfsburg'
  const unknown = await judgePassword(job, chosen, [])
  const known = await judgePassword(job, chosen, ['rumpelstilz', 'wolfsburg'])
  expect(known.score).toBeLessThan(unknown.score)
  // And nobody else's.
  expect(await judgePassword(job, chosen, [])).toEqual(unknown)
})
