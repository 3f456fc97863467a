import { createServer, type Server } from 'node:http'
import axe from 'axe-core'
import { login } from '@agent-iam/contract/auth'
import { createClient } from '@agent-iam/contract/clients'
import { passkeyCreationOptions, PasskeyRegistration, registerPasskey } from '@agent-iam/contract/factors'
import * as client from 'openid-client'
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { call, type Connection } from '../../sdk/typescript/src/call.ts'
import { openBrowser } from './browser.ts'
import { email, startServer, type StartedServer } from './started-server.ts'

// oxlint-disable-next-line typescript/no-deprecated -- the test server has no certificate
const insecure = { execute: [client.allowInsecureRequests] }

let server: StartedServer
let browser: Browser
let application: Server
let redirectUri: string
let admin: Connection
let context: BrowserContext
let page: Page
let devices: CDPSession
let authenticatorId: string
let faults: string[]

/** A server, and an application that a person lets in. */
beforeAll(async () => {
  server = await startServer()
  browser = await openBrowser()
  const { accessToken: token } = await call({ server: server.url }, login, {
    body: { email, password: server.password },
  })
  admin = { server: server.url, token }
  application = createServer((_request, response) => response.end('back in the application'))
  await new Promise<void>((resolve) => void application.listen(0, '127.0.0.1', resolve))
  const address = application.address()
  redirectUri = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/callback`
})
afterAll(async () => {
  application.close()
  await browser.close()
  await server.stop()
})

/** Each test has a browser without a login, with a device that knows its person. */
beforeEach(async () => {
  context = await browser.newContext()
  page = await context.newPage()
  faults = []
  page.on('console', (message) => void (message.type() === 'error' && faults.push(message.text())))
  devices = await context.newCDPSession(page)
  await devices.send('WebAuthn.enable')
  const device = await devices.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  authenticatorId = device.authenticatorId
  return () => context.close()
})

/** A passkey of the administrator on the device. */
async function register(name: string): Promise<void> {
  const proof = { type: 'password' as const, password: server.password }
  const { options } = await call(admin, passkeyCreationOptions, { body: { proof } })
  await page.goto(server.url)
  const response = PasskeyRegistration.parse(
    await page.evaluate(`(async () => {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(${JSON.stringify(options)})
      return (await navigator.credentials.create({ publicKey })).toJSON()
    })()`),
  )
  await call(admin, registerPasskey, { body: { name, response } })
}

async function authorization() {
  const body = {
    name: 'The dashboard of the team',
    redirectUris: [redirectUri],
    applicationType: 'native' as const,
    authMethod: 'none' as const,
  }
  const { clientId } = await call(admin, createClient, { body })
  const config = await client.discovery(new URL(server.url), clientId, undefined, client.None(), insecure)
  const verifier = client.randomPKCECodeVerifier()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    scope: 'agent-iam/agents*:read',
  })
  return { config, url, verifier }
}

/** Consents, and gives the scope that the application got. */
async function consentTo({ config, verifier }: Awaited<ReturnType<typeof authorization>>) {
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByText('back in the application').waitFor()
  const tokens = await client.authorizationCodeGrant(config, new URL(page.url()), { pkceCodeVerifier: verifier })
  return tokens.scope
}

const passkeyButton = () => page.getByRole('button', { name: 'Use a passkey' })

/** What axe finds wrong with a page; its policy forbids foreign scripts, so the check comes by the debugger's way. */
async function violations(): Promise<string[]> {
  await page.evaluate(axe.source)
  const found: unknown = await page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
  )
  return Array.isArray(found) ? found.map(String) : ['axe did not answer']
}

/** Where someone wants to look at the pages. */
async function show(name: string): Promise<void> {
  const folder = process.env['AGENT_IAM_TEST_SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true })
}

test('a person logs in by passkey alone, without an address', async () => {
  await register('alone')
  const request = await authorization()
  await page.goto(request.url.href)
  expect(await violations()).toEqual([])
  await show('login with passkey')
  await passkeyButton().click()
  await page.getByText(email).waitFor()
  expect(await consentTo(request)).toBe('agent-iam/agents*:read')
  expect(faults).toEqual([])
})

test('a passkey is the second factor after the password', async () => {
  await register('second')
  const request = await authorization()
  await page.goto(request.url.href)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(server.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Second factor' }).waitFor()
  expect(await violations()).toEqual([])
  await show('second factor with passkey')
  await passkeyButton().click()
  expect(await consentTo(request)).toBe('agent-iam/agents*:read')
  expect(faults).toEqual([])
})

test('who gives no passkey is told so, and goes on otherwise', async () => {
  await register('withheld')
  await devices.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await page.goto((await authorization()).url.href)
  await passkeyButton().click()
  await page.getByText('No passkey was used.').waitFor()
  expect(await violations()).toEqual([])
  await show('no passkey was used')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(server.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Second factor' }).waitFor()
})

test('a passkey that the server does not know does not get in', async () => {
  await register('forgotten')
  const { credentials } = await devices.send('WebAuthn.getCredentials', { authenticatorId })
  await devices.send('WebAuthn.clearCredentials', { authenticatorId })
  const userHandle = Buffer.alloc(16, 9).toString('base64')
  for (const credential of credentials)
    await devices.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, userHandle } })
  await page.goto((await authorization()).url.href)
  await passkeyButton().click()
  await page.getByText('The passkey is not valid here.').waitFor()
  expect(await violations()).toEqual([])
})

test('without scripts, no passkey is offered', async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false })
  const other = await plain.newPage()
  await other.goto((await authorization()).url.href)
  expect(await other.getByRole('button', { name: 'Log in' }).isVisible()).toBe(true)
  expect(await other.getByRole('button', { name: 'Use a passkey' }).isVisible()).toBe(false)
  await plain.close()
})
