import { describe, expect, test } from 'vitest'
import { appended, facts, library, minted, mintedWords, publicKeyOf, question, rootKeyId } from '../../test/biscuits.ts'
import { attenuate, type Restriction, seal } from './attenuate.ts'
import { authorize, type BiscuitQuestion } from './authorize.ts'
import { BiscuitError } from './errors.ts'
import { open } from './token.ts'
import { verify } from './verify.ts'

const narrowed = (token: string, restriction: Restriction) => attenuate(library, token, publicKeyOf, restriction)
const ask = (token: string, different: Partial<BiscuitQuestion> = {}) =>
  authorize(library, token, publicKeyOf, { ...question, ...different })
const isAllowed = (token: string, different: Partial<BiscuitQuestion> = {}) => ask(token, different).type === 'allowed'

describe('what the issuer says', () => {
  test('is read back as it was written', () => {
    const confirmation = { jkt: 'cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s' }
    expect(verify(library, minted({ confirmation }), publicKeyOf)).toStrictEqual({
      rootKeyId,
      facts: { ...facts, confirmation },
      blocks: 1,
      revocationIds: [expect.stringMatching(/^[0-9a-f]{128}$/)],
    })
  })

  test.each([
    ['a prefix of ids', 'read', 'file/docs/a', true],
    ['what lies beside the prefix', 'read', 'file/doc', false],
    ['the type without an id', 'read', 'file', false],
    ['another action', 'write', 'file/docs/a', false],
    ['another type', 'read', 'database/docs/a', false],
    ['one id', 'write', 'file/notes', true],
    ['what only begins with that id', 'write', 'file/notes2', false],
    ['every type', 'list', 'database/x', true],
    ['every type, without an id', 'list', 'database', true],
    ['a reserved type', 'list', 'platform/x', false],
  ])('a right covers: %s', (_, operation, resource, expected) => {
    expect(isAllowed(minted(), { operation, resource })).toBe(expected)
  })

  test('a reserved type is reached by its name', () => {
    const rights = [{ type: 'platform', idPattern: 'agents*', action: '*' }]
    expect(isAllowed(minted({ rights }), { operation: 'suspend', resource: 'platform/agents/agt_1' })).toBe(true)
    expect(isAllowed(minted({ rights }), { operation: 'suspend', resource: 'platform/users/usr_1' })).toBe(false)
  })

  test('every type with a pattern of ids', () => {
    const rights = [{ type: '*', idPattern: 'public/*', action: '*' }]
    expect(isAllowed(minted({ rights }), { resource: 'database/public/a' })).toBe(true)
    expect(isAllowed(minted({ rights }), { resource: 'database/private/a' })).toBe(false)
  })

  test('without a right nothing is allowed', () => {
    expect(isAllowed(minted({ rights: [] }))).toBe(false)
  })

  test('ends at its time, and holds for its audience only', () => {
    expect(isAllowed(minted(), { time: new Date('2026-11-22T10:59:59.999Z') })).toBe(true)
    expect(isAllowed(minted(), { time: facts.expiresAt })).toBe(false)
    expect(isAllowed(minted(), { audience: 'https://other.example' })).toBe(false)
  })

  test.each([{ jkt: 'key-1' }, { 'x5t#S256': 'key-1' }])('binds to a key: %o', (confirmation) => {
    const token = minted({ confirmation })
    expect(isAllowed(token, { confirmation })).toBe(true)
    expect(isAllowed(token)).toBe(false)
    expect(isAllowed(token, { confirmation: { jkt: 'key-2' } })).toBe(false)
    expect(isAllowed(token, { confirmation: 'jkt' in confirmation ? { 'x5t#S256': 'key-1' } : { jkt: 'key-1' } })).toBe(
      false,
    )
  })

  test('an authority block of other words is refused, and allows nothing', () => {
    const token = mintedWords('agent("agt_1"); check if true;')
    expect(() => verify(library, token, publicKeyOf)).toThrow(expect.objectContaining({ code: 'unexpected-authority' }))
    expect(isAllowed(token)).toBe(false)
  })

  test.each([
    { agent: 'a\nissuer("https://evil.example");' },
    { agent: '' },
    { tenant: '\ud800' },
    { rights: [{ type: 'file"', action: 'read' }] },
    { rights: [{ type: 'file', idPattern: 'a*b', action: 'read' }] },
    { rights: [{ type: 'file', action: 'read it' }] },
    { expiresAt: facts.issuedAt },
    { expiresAt: new Date(Number.NaN) },
    { statusList: { uri: 'https://iam.example/\n', idx: 1 } },
    { statusList: { uri: 'https://iam.example/', idx: -1 } },
    { statusList: { uri: 'https://iam.example/', idx: 1.5 } },
  ])('what could not be read back is not written: %o', (different) => {
    expect(() => minted(different)).toThrow(expect.objectContaining({ code: 'invalid-facts' }))
  })

  test('its place in a status list may be absent, is read whatever its address holds, and is named once', () => {
    const read = (token: string) => verify(library, token, publicKeyOf).facts.statusList
    expect(read(minted({ statusList: undefined }))).toBeUndefined()
    for (const statusList of [
      { uri: 'https://iam.example/", 3); status_list("', idx: 0 },
      { uri: 'https://iam.example/l', idx: Number.MAX_SAFE_INTEGER },
    ])
      expect(read(minted({ statusList }))).toStrictEqual(statusList)
    const said = /^(?:issuer|audience|tenant|agent|session|issued_at|expires_at)\(.*\);$/gm
    const words = library.use((module, keep) => open(module, keep, minted(), publicKeyOf).biscuit.getBlockSource(0))
    const names = words.match(said)?.join('') ?? ''
    expect(read(mintedWords(`${names} status_list("https://iam.example/l", 1);`))?.idx).toBe(1)
    for (const more of ['status_list("https://iam.example/l", 2);', 'status_list("https://iam.example/l", -1);'])
      expect(() => read(mintedWords(`${names} status_list("https://iam.example/l", 1); ${more}`))).toThrow(
        expect.objectContaining({ code: 'unexpected-authority' }),
      )
  })

  test('no fact is read as Datalog', () => {
    const agent = 'a"); right("*", "any", "", "*"); agent("'
    const token = minted({ agent, rights: [] })
    expect(verify(library, token, publicKeyOf).facts).toMatchObject({ agent, rights: [] })
    expect(isAllowed(token)).toBe(false)
  })

  test('more rights than a header holds are refused', () => {
    const rights = Array.from({ length: 100 }, (_, n) => ({
      type: `type${n}`,
      idPattern: `${n}`.padEnd(200, 'x'),
      action: 'read',
    }))
    expect(() => minted({ rights })).toThrow(expect.objectContaining({ code: 'too-large' }))
  })
})

describe('a holder', () => {
  test('takes operations, resources, time and audience away', () => {
    const token = narrowed(minted(), { operations: ['read'], resourcePrefix: 'file/docs/a' })
    expect(isAllowed(token)).toBe(true)
    expect(isAllowed(token, { resource: 'file/docs/b' })).toBe(false)
    expect(isAllowed(token, { operation: 'list' })).toBe(false)
    expect(isAllowed(narrowed(token, { expiresAt: question.time }))).toBe(false)
    expect(isAllowed(narrowed(token, { audience: question.audience }))).toBe(true)
    expect(isAllowed(narrowed(token, { audience: 'https://other.example' }))).toBe(false)
  })

  test('is told which check failed', () => {
    expect(ask(narrowed(minted(), { operations: ['list'] }))).toStrictEqual({
      type: 'denied',
      failed: ['block 1: check if operation($operation), {"list"}.contains($operation)'],
    })
  })

  test('keeps the ids of the blocks before, and adds one', () => {
    const token = minted()
    const before = verify(library, token, publicKeyOf)
    const after = verify(library, narrowed(token, { operations: ['read'] }), publicKeyOf)
    expect(after.facts).toStrictEqual(before.facts)
    expect(after.blocks).toBe(2)
    expect(after.revocationIds).toStrictEqual([...before.revocationIds, expect.stringMatching(/^[0-9a-f]{128}$/)])
  })

  test('whose block is revoked can do nothing', () => {
    const token = narrowed(minted(), { operations: ['read'] })
    const { revocationIds } = verify(library, token, publicKeyOf)
    for (const revoked of revocationIds)
      expect(ask(token, { isRevoked: (id) => id === revoked })).toStrictEqual({
        type: 'denied',
        failed: [`revoked: ${revoked}`],
      })
  })

  test('of a sealed token narrows it no further', () => {
    const sealed = seal(library, minted(), publicKeyOf)
    expect(isAllowed(sealed)).toBe(true)
    expect(() => narrowed(sealed, { operations: ['read'] })).toThrow(expect.objectContaining({ code: 'sealed' }))
    expect(() => seal(library, sealed, publicKeyOf)).toThrow(expect.objectContaining({ code: 'sealed' }))
  })

  test.each<Restriction>([
    {},
    { operations: [] },
    { resourcePrefix: '' },
    { audience: '\udc00' },
    { expiresAt: new Date('x') },
  ])('may not mean nothing: %o', (restriction) => {
    expect(() => narrowed(minted(), restriction)).toThrow(expect.objectContaining({ code: 'invalid-restriction' }))
  })

  test('adds 15 blocks and no more', () => {
    let token = minted()
    for (let blocks = 1; blocks < 16; blocks += 1) token = narrowed(token, { operations: ['read'] })
    expect(isAllowed(token)).toBe(true)
    const tooMany = expect.objectContaining({ code: 'too-many-blocks' })
    expect(() => narrowed(token, { operations: ['read'] })).toThrow(tooMany)
    expect(() => ask(appended(token, 'check if true;'))).toThrow(tooMany)
  })
})

test('an error says what to do with it, and nothing of the token', () => {
  const error = new BiscuitError('sealed', 'the token is sealed')
  expect(error).toMatchObject({ name: 'BiscuitError', code: 'sealed', message: 'the token is sealed' })
})
