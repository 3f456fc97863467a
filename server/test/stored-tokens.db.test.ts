import { readFile } from 'node:fs/promises'
import { refresh, validate } from '@agent-iam/contract/auth'
import { check } from '@agent-iam/contract/authorization'
import { mintBiscuit, verifyBiscuit } from '@agent-iam/contract/biscuits'
import { delegateAgent } from '@agent-iam/contract/delegation'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSetup } from '../src/features/setup/service.ts'
import { loginAgent, makeAgent, type TestAgent } from './agents.ts'
import { append, narrow } from './biscuits.ts'
import { databases } from './databases.ts'
import { callEveryOperation } from './every-success.ts'
import { asAgent } from './oauth-clients.ts'
import { listen, type OauthServer } from './oauth-server.ts'
import { TestClock } from './test-clock.ts'
import { startServer, uuidOf, type TestServer } from './test-server.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

describe.each(databases)('what lies in the tables of %s', (_name, open) => {
  let oauth: OauthServer
  let agent: TestAgent
  let whole: string

  beforeAll(async () => {
    oauth = await listen(await open())
    agent = await makeAgent(oauth.server, await oauth.server.admin(), [
      'agent-iam/agents*:delegate',
      'file/docs/*:read',
      'file/docs/*:write',
    ])
    const { accessToken } = await loginAgent(oauth.server, agent)
    whole = (await oauth.server.api.call(mintBiscuit, { body: {}, token: accessToken })).token
  })
  afterAll(() => oauth.server.close())

  const attenuated = () => narrow(oauth.server, whole, { operations: ['delegate', 'read'] })
  const ask = (token: string, action: string) =>
    oauth.server.api.call(check, { body: { resource: 'file/docs/a', action }, token })
  const child = (token: string, name: string) =>
    oauth.server.api.call(delegateAgent, {
      body: { name, capabilities: ['file/docs/*:read', 'file/docs/*:write'] },
      token,
    })

  async function exchanged(token: string): Promise<string> {
    const parameters = { subject_token: token, subject_token_type: accessTokenType }
    return (await client.genericGrantRequest(await asAgent(oauth.issuer, agent), exchange, parameters)).access_token
  }

  test('presents nothing, after every way that keeps the blocks of a token', async () => {
    const token = await attenuated()
    const made = await child(token, 'made within blocks')
    const session = await exchanged(token)
    for (const each of [made.token.accessToken, session]) {
      expect(await ask(each, 'read')).toMatchObject({ allowed: true })
      expect(await ask(each, 'write')).toMatchObject({ allowed: false })
    }
    const written = await append(
      oauth.server,
      whole,
      'check all operation($o), $o != "write"; word("a \\"quoted\\" text");',
    )
    const other = await child(written, 'made within written blocks')
    expect(await ask(other.token.accessToken, 'read')).toMatchObject({ allowed: true })
    expect(await ask(other.token.accessToken, 'write')).toMatchObject({ allowed: false })
    expect(await presentable(oauth.server)).toEqual([])
    const kept = await oauth.server.database.ask(
      'select lent_blocks as text from identities where lent_blocks is not null union all select attenuation from sessions where attenuation is not null',
    )
    expect(kept.length).toBeGreaterThan(2)
    const asker = (await loginAgent(oauth.server, agent)).accessToken
    for (const { text } of kept) {
      const shown = String(text)
      expect(shown).toMatch(/^biscuit-blocks:/)
      expect((await oauth.server.api.send(validate, { token: shown, from: anySender() })).status).toBe(401)
      await expect(exchanged(shown)).rejects.toMatchObject({ error: 'invalid_request' })
      const verified = await oauth.server.api.call(verifyBiscuit, { body: { token: shown }, token: asker })
      expect(verified).toMatchObject({ valid: false })
    }
  })

  test('the release before, which writes whole tokens, leaves none', async () => {
    const sql = (text: string, parameters: string[] = []) => oauth.server.database.ask(text, parameters)
    const token = await attenuated()
    const { agentId, token: own } = await child(token, 'of the release before')
    const session = await exchanged(token)
    const { sessionId } = await oauth.server.api.call(validate, { token: session })
    const store = async () => {
      await sql('update identities set lent_blocks = $2 where id = $1', [uuidOf(agentId), token])
      await sql('update sessions set attenuation = $2 where id = $1', [uuidOf(sessionId), token])
    }
    const decided = async () =>
      [
        await ask(own.accessToken, 'read'),
        await ask(own.accessToken, 'write'),
        await ask(session, 'read'),
        await ask(session, 'write'),
      ].map(({ allowed }) => allowed)
    await store()
    expect(await presentable(oauth.server)).toEqual([])
    expect(await decided()).toEqual([true, false, true, false])
    await sql('alter table identities disable trigger keep_lent_blocks')
    await sql('alter table sessions disable trigger keep_attenuation')
    await store()
    expect((await presentable(oauth.server)).length).toBeGreaterThan(0)
    await sql('alter table identities enable trigger keep_lent_blocks')
    await sql('alter table sessions enable trigger keep_attenuation')
    const migration = await readFile(new URL('../migrations/0045-blocks-without-proof.sql', import.meta.url), 'utf8')
    await sql(migration.slice(migration.indexOf('alter table identities no force')))
    expect(await presentable(oauth.server)).toEqual([])
    expect(await decided()).toEqual([true, false, true, false])
  })

  test('blocks that cannot be read allow nothing', async () => {
    const { agentId, token } = await child(await attenuated(), 'of unreadable blocks')
    await oauth.server.database.ask('update identities set lent_blocks = $2 where id = $1', [uuidOf(agentId), 'words'])
    await oauth.server.changedBehindItsBack()
    expect(await ask(token.accessToken, 'read')).toMatchObject({ allowed: false })
  })

  test('presents nothing after every operation', { timeout: 240_000 }, async () => {
    const fresh = await startServer(await open(), { masterKey: Buffer.alloc(32, 7), clock: new TestClock() })
    await callEveryOperation({
      server: fresh,
      setupToken: (await openSetup(fresh.app.system, { onlyOne: false })) ?? '',
    })
    expect(await presentable(fresh)).toEqual([])
    await fresh.close()
  })
})

/** Every text in any column that the server accepts as a token, with the table it lies in. */
async function presentable(server: TestServer): Promise<string[]> {
  const found = []
  const tables = await server.database.ask(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  )
  for (const { name } of tables) {
    const rows = await server.database.ask(`select to_jsonb(t) as row from "${String(name)}" t`)
    const candidates = new Set(rows.flatMap(({ row }) => textsIn(row)).flatMap(candidatesIn))
    for (const text of candidates)
      if (await isAccepted(server, text)) found.push(`${String(name)}: ${text.slice(0, 40)}`)
  }
  return found
}

async function isAccepted(server: TestServer, token: string): Promise<boolean> {
  const presented = await server.api.send(validate, { token, from: anySender() })
  if (presented.status === 200) return true
  return (
    token.length < 300 &&
    (await server.api.send(refresh, { body: { refreshToken: token }, from: anySender() })).status === 200
  )
}

let senders = 0
function anySender(): string {
  senders++
  return `10.${(senders >> 16) & 255}.${(senders >> 8) & 255}.${senders & 255}`
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value, ...decoded(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

/** The bytes of a `bytea` as text, and as a token spells them. */
function decoded(text: string): string[] {
  if (!/^\\x[0-9a-f]+$/.test(text)) return []
  const bytes = Buffer.from(text.slice(2), 'hex')
  return [bytes.toString('utf8'), bytes.toString('base64url')]
}

/** What could be a JWT, a Biscuit, or a secret with the prefix of its kind, wherever in the text it stands. */
function candidatesIn(text: string): string[] {
  const words = text.match(/[A-Za-z0-9_=.:-]{24,}/g) ?? []
  return words.filter(
    (word) =>
      word.length >= 100 ||
      /^[\w-]+\.[\w-]+\.[\w-]+$/.test(word) ||
      (/^[a-z]{2,12}_[\w-]{30,}$/.test(word) && !/^[a-z]{3}_[0-9a-f]{32}$/.test(word)),
  )
}
