import { login } from '@agent-iam/contract/auth'
import { passkeyCreationOptions, PasskeyRegistration, registerPasskey } from '@agent-iam/contract/factors'
import { call, type Connection } from '@agent-iam/sdk'
import * as client from 'openid-client'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openApplication, welcome, type Application, type AuthorizationRequest } from './application.ts'
import { openBrowser } from './browser.ts'
import { addAuthenticator, complaintsOf, show, violations, type Authenticator } from './page.ts'
import { email, startServer, type StartedServer } from './started-server.ts'

let server: StartedServer
let browser: Browser
let application: Application
let admin: Connection
let context: BrowserContext
let page: Page
let device: Authenticator
let faults: string[]

/** A server, and an application that a person lets in. */
beforeAll(async () => {
  server = await startServer()
  browser = await openBrowser()
  const { accessToken: token } = await call({ server: server.url }, login, {
    body: { email, password: server.password },
  })
  admin = { server: server.url, token }
  application = await openApplication(admin)
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
  faults = complaintsOf(page)
  device = await addAuthenticator(context, page)
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

const authorization = () => application.request('agent-iam/agents*:read')

/** Consents, and gives the scope that the application got. */
async function consentTo({ config, verifier }: AuthorizationRequest) {
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByText(welcome).waitFor()
  const tokens = await client.authorizationCodeGrant(config, new URL(page.url()), { pkceCodeVerifier: verifier })
  return tokens.scope
}

const passkeyButton = () => page.getByRole('button', { name: 'Use a passkey' })

test('a person logs in by passkey alone, without an address', async () => {
  await register('alone')
  const request = await authorization()
  await page.goto(request.url.href)
  expect(await violations(page)).toEqual([])
  await show(page, 'login with passkey')
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
  expect(await violations(page)).toEqual([])
  await show(page, 'second factor with passkey')
  await passkeyButton().click()
  expect(await consentTo(request)).toBe('agent-iam/agents*:read')
  expect(faults).toEqual([])
})

test('who gives no passkey is told so, and goes on otherwise', async () => {
  await register('withheld')
  const { devices, authenticatorId } = device
  await devices.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await page.goto((await authorization()).url.href)
  await passkeyButton().click()
  await page.getByText('No passkey was used.').waitFor()
  expect(await violations(page)).toEqual([])
  await show(page, 'no passkey was used')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(server.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Second factor' }).waitFor()
})

test('a passkey that the server does not know does not get in', async () => {
  await register('forgotten')
  const { devices, authenticatorId } = device
  const { credentials } = await devices.send('WebAuthn.getCredentials', { authenticatorId })
  await devices.send('WebAuthn.clearCredentials', { authenticatorId })
  const userHandle = Buffer.alloc(16, 9).toString('base64')
  for (const credential of credentials)
    await devices.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, userHandle } })
  await page.goto((await authorization()).url.href)
  await passkeyButton().click()
  await page.getByText('The passkey is not valid here.').waitFor()
  expect(await violations(page)).toEqual([])
})

test('without scripts, no passkey is offered', async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false })
  const other = await plain.newPage()
  await other.goto((await authorization()).url.href)
  expect(await other.getByRole('button', { name: 'Log in' }).isVisible()).toBe(true)
  expect(await other.getByRole('button', { name: 'Use a passkey' }).isVisible()).toBe(false)
  await plain.close()
})
