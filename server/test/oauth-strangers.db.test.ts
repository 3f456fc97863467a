import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:https'
import { listClients } from '@agent-iam/contract/clients'
import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOutboundFetch } from '../src/platform/outbound-fetch.ts'
import { defaultSettings } from '../src/platform/settings.ts'
import { databases } from './databases.ts'
import { TestBrowser, type TestPage } from './oauth-browser.ts'
import { administrator, authorizationUrl, authorize, insecure, redirectUri } from './oauth-clients.ts'
import { listen, listenBeside, type OauthServer } from './oauth-server.ts'
import { selfSigned } from './certificates.ts'

const scope = 'agent-iam/agents*:read'
const metadata = { client_name: 'A stranger', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }

const byKey = { token_endpoint_auth_method: 'private_key_jwt' }
const privateJwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })

/** Serves what clients say of themselves at addresses of their own. */
async function serveDocuments() {
  const { key, pem: cert } = await selfSigned('stranger.example', { host: 'stranger.example' })
  const documents = new Map<string, string>()
  const asked: string[] = []
  const server = createServer({ key, cert }, (request, response) => {
    asked.push(request.url ?? '')
    const text = documents.get(request.url ?? '')
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(text)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { documents, asked, cert, origin: `https://stranger.example:${port}`, close: () => server.close() }
}

describe.each(databases)('clients that nobody registered on %s', (_name, open) => {
  let oauth: OauthServer
  let admin: string
  let web: Awaited<ReturnType<typeof serveDocuments>>

  beforeAll(async () => {
    web = await serveDocuments()
    const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }])
    oauth = await listen(await open(), {
      replace: (world) => ({
        ...world,
        settings: { ...defaultSettings, dynamicRegistration: true },
        fetch: createOutboundFetch({ clock: world.clock, allowedNetworks: ['127.0.0.1'], resolve, ca: web.cert }),
      }),
    })
    admin = await oauth.server.admin()
  })
  afterAll(async () => {
    web.close()
    await oauth.server.close()
  })

  function describeAt(path: string, document: Record<string, unknown>): string {
    const url = `${web.origin}${path}`
    web.documents.set(path, JSON.stringify({ client_id: url, ...document }))
    return url
  }

  const asNamed = (clientId: string, issuer = oauth.issuer) =>
    client.discovery(new URL(issuer), clientId, undefined, client.None(), insecure)

  test('a client that is named by a URL is read once the person has logged in, and consents to its host', async () => {
    const clientId = describeAt('/app', { ...metadata, grant_types: ['authorization_code', 'refresh_token'] })
    const config = await asNamed(clientId)
    expect(config.serverMetadata()).toMatchObject({ client_id_metadata_document_supported: true })
    const { url, verifier } = await authorizationUrl(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const login = await browser.open(url)
    expect(login.html).toContain('stranger.example')
    expect(login.html).not.toContain('A stranger')
    await browser.send(login, { email: administrator.email, password: 'a wrong password' })
    expect(web.asked).toEqual([])
    const consent = await browser.send(login, { ...administrator })
    expect(web.asked).toEqual(['/app'])
    expect(consent.html).toContain('not verified: described by')
    const { url: callback } = await browser.send(consent, { allow: 'yes' })
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    expect(decodeJwt(tokens.access_token)).toMatchObject({ client_id: clientId, scope })
    await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    const { clients } = await oauth.server.api.call(listClients, { token: admin })
    expect(clients).toContainEqual(expect.objectContaining({ source: 'metadata-document', metadataUrl: clientId }))
  })

  test.each([
    ['of another client', { client_id: 'https://other.example/app' }],
    ['with a shared secret', { token_endpoint_auth_method: 'client_secret_basic' }],
    ['too large', { client_name: 'x'.repeat(6000) }],
    ['that returns in the clear', { redirect_uris: [redirectUri, 'http://app.example/callback'] }],
    ['that returns elsewhere', { redirect_uris: ['https://elsewhere.example/'] }],
  ])('a document %s is refused', async (what, document) => {
    const clientId = describeAt(`/${what.replaceAll(' ', '-')}`, { ...metadata, ...document })
    const { url } = await authorizationUrl(await asNamed(clientId), { scope })
    const browser = new TestBrowser(oauth.issuer)
    const refused = await browser.send(await browser.open(url), { ...administrator })
    expect([refused.status, refused.url.origin]).toEqual([400, oauth.issuer])
    expect(refused.html).toContain('This did not work')
  })

  test('a URL that nobody has used yet is not read for who pushes a request or asks for a token', async () => {
    const clientId = describeAt('/never', metadata)
    const config = await asNamed(clientId)
    const { url } = await authorizationUrl(config, { scope })
    await expect(client.buildAuthorizationUrlWithPAR(config, url.searchParams)).rejects.toMatchObject({
      error: 'invalid_client',
    })
    expect(web.asked).not.toContain('/never')
  })

  test('a login for a client’s URL cannot be led elsewhere, nor be another’s', async () => {
    const { url } = await authorizationUrl(await asNamed(describeAt('/led', metadata)), { scope })
    const browser = new TestBrowser(oauth.issuer)
    const login = await browser.open(url)
    const changed = await browser.send(login, { ...administrator, query: 'client_id=https://evil.example/' })
    expect(changed.status).toBe(400)
    const stranger = await new TestBrowser(oauth.issuer).send(login, { ...administrator })
    expect(stranger.status).toBe(400)
  })

  async function register(body: unknown, address = '10.9.8.7') {
    const response = await fetch(`${oauth.issuer}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
      body: JSON.stringify(body),
    })
    const answer: Record<string, unknown> = Object(await response.json())
    return { status: response.status, answer }
  }

  test('a client that registered itself lets nobody believe that somebody vouches for it', async () => {
    const { status, answer } = await register({ ...metadata, scope })
    expect([status, answer]).toMatchObject([201, { client_name: 'A stranger', grant_types: ['authorization_code'] }])
    const config = await asNamed(String(answer['client_id']))
    const { callback, verifier, consent } = await authorize(oauth, config, {})
    expect(consent.html).toContain('not verified: it registered itself')
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    expect(decodeJwt(tokens.access_token)).toMatchObject({ scope })
  })

  test('a client that registered itself is forgotten within an hour, unless it was used', async () => {
    const [used, unused] = [await register(metadata), await register(metadata)]
    const config = await asNamed(String(used.answer['client_id']))
    const { callback, verifier } = await authorize(oauth, config, { scope })
    await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    const of = ({ answer }: typeof used) => String(answer['client_id'])
    oauth.server.clock.advance(3601)
    try {
      expect((await authorizationAt(of(unused))).html).toContain('invalid_client')
      expect((await authorizationAt(of(used))).html).toContain('Log in')
    } finally {
      oauth.server.clock.advance(-3601)
    }
  })

  async function authorizationAt(clientId: string) {
    const { url } = await authorizationUrl(await asNamed(clientId), { scope })
    return new TestBrowser(oauth.issuer).open(url)
  }

  test.each([
    ['a machine’s grant', { grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    ['the implicit flow', { response_types: ['token'] }, 'invalid_client_metadata'],
    ['a redirect over plain http', { redirect_uris: ['http://app.example/'] }, 'invalid_redirect_uri'],
    ['a redirect that runs a script', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['a redirect with a fragment', { redirect_uris: ['https://app.example/#x'] }, 'invalid_redirect_uri'],
    ['a name that reads as another', { client_name: 'A\u202eb' }, 'invalid_client_metadata'],
    ['what is no key set', { jwks: 7 }, 'invalid_client_metadata'],
    ['a private key', { ...byKey, jwks: { keys: [privateJwk] } }, 'invalid_client_metadata'],
  ])('no client registers %s', async (_what, change, error) => {
    expect(await register({ ...metadata, ...change })).toMatchObject({ status: 400, answer: { error } })
  })

  test('one network registers so many clients in an hour, however many ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 25 }, () => register(metadata, '10.77.0.1')))
    const taken = answers.filter(({ status }) => status === 201)
    expect([taken.length, answers.length - taken.length]).toEqual([20, 5])
    expect((await register(metadata, '10.78.0.1')).status).toBe(201)
  })

  test('the addresses of one IPv6 network are one, however they are spelt', async () => {
    const answers = await Promise.all(Array.from({ length: 25 }, (_, n) => register(metadata, `2001:db8::${n + 1}`)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20)
    expect((await register(metadata, '2001:db8:0:1::1')).status).toBe(201)
  })

  test('a flow begun on one instance goes on and ends on another', async () => {
    const { answer } = await register({ ...metadata, grant_types: ['authorization_code', 'refresh_token'] })
    const second = await listenBeside(oauth)
    const config = await asNamed(String(answer['client_id']))
    const { url, verifier } = await authorizationUrl(config, { scope })
    const browser = new TestBrowser(oauth.issuer)
    const atSecond = (page: TestPage) => ({ ...page, url: new URL(page.url.pathname, second.issuer) })
    const login = await browser.open(url)
    const consent = await browser.send(atSecond(login), { ...administrator })
    expect(consent.html).toContain('act for you?')
    const { url: callback } = await browser.send(atSecond(consent), { allow: 'yes' })
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier })
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }
    const body = new URLSearchParams({ ...refresh, client_id: String(answer['client_id']) })
    // Both at once: each instance gives the same successor.
    const [one, other] = await Promise.all(
      [oauth.issuer, second.issuer].map(async (origin) => {
        const response = await fetch(`${origin}/oauth/token`, { method: 'POST', body })
        const answered: unknown = await response.json()
        return Reflect.get(Object(answered), 'refresh_token')
      }),
    )
    expect(one).toEqual(expect.any(String))
    expect(other).toBe(one)
    await second.server.app.http.close()
  })
})
