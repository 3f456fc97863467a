import { login } from '@agent-iam/contract/auth'
import { createClient } from '@agent-iam/contract/clients'
import { call, type Connection } from '@agent-iam/sdk'
import * as client from 'openid-client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { insecure } from '../../server/test/oauth-clients.ts'
import { openApplication, welcome, type Application } from './application.ts'
import { openBrowser } from './browser.ts'
import { complaintsOf, show, violations } from './page.ts'
import { email, startServer, type StartedServer } from './started-server.ts'

let server: StartedServer
let browser: Browser
let application: Application
let admin: Connection

beforeAll(async () => {
  server = await startServer()
  browser = await openBrowser()
  const body = { email, password: server.password }
  admin = { server: server.url, token: (await call({ server: server.url }, login, { body })).accessToken }
  application = await openApplication(admin)
})
afterAll(async () => {
  application.close()
  await browser.close()
  await server.stop()
})

/** Without scripts nothing can look at a page from inside. */
function violationsWhere(page: Page, hasScripts: boolean): Promise<string[]> {
  return hasScripts ? violations(page) : Promise.resolve([])
}

test.each([
  ['a browser with scripts', true],
  ['one without', false],
])('a person logs in, consents and comes back to the application, in %s', async (name, javaScriptEnabled) => {
  const { config, url, verifier } = await application.request('openid email agent-iam/agents*:read file/docs/*:read')
  const context = await browser.newContext({ javaScriptEnabled, colorScheme: javaScriptEnabled ? 'light' : 'dark' })
  const page = await context.newPage()
  const faults = complaintsOf(page)
  await page.goto(url.href)
  expect(await violationsWhere(page, javaScriptEnabled)).toEqual([])
  await show(page, `login ${name}`)

  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill('this is not the password')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('is not right').waitFor()
  expect(await violationsWhere(page, javaScriptEnabled)).toEqual([])
  await page.getByLabel('Password').fill(server.password)
  await page.getByRole('button', { name: 'Log in' }).click()

  await page.getByRole('heading', { name: 'Let The dashboard of the team act for you?' }).waitFor()
  expect(await page.getByText('registered by an administrator').isVisible()).toBe(true)
  expect(await page.getByText(email).isVisible()).toBe(true)
  expect(await violationsWhere(page, javaScriptEnabled)).toEqual([])
  await show(page, `consent ${name}`)
  await page.getByRole('button', { name: 'Allow' }).click()

  await page.getByText(welcome).waitFor()
  const tokens = await client.authorizationCodeGrant(config, new URL(page.url()), { pkceCodeVerifier: verifier })
  expect(tokens.scope).toBe('agent-iam/agents*:read file/docs/*:read')
  // A wrong password is a 401, which the browser tells; nothing was blocked by a policy.
  expect(faults.filter((fault) => !fault.includes('401'))).toEqual([])
  await context.close()
})

test('a person lets a device in, after comparing its code', async () => {
  const grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'] = ['urn:ietf:params:oauth:grant-type:device_code']
  const body = { name: 'The television', grantTypes, applicationType: 'native' as const, authMethod: 'none' as const }
  const { clientId } = await call(admin, createClient, { body })
  const config = await client.discovery(new URL(server.url), clientId, undefined, client.None(), insecure)
  const started = await client.initiateDeviceAuthorization(config, { scope: 'agent-iam/agents*:read' })
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(started.verification_uri_complete ?? started.verification_uri)
  await page.getByRole('heading', { name: 'Is this your device?' }).waitFor()
  expect(await page.getByText(started.user_code).isVisible()).toBe(true)
  expect(await violations(page)).toEqual([])
  await show(page, 'device')
  await page.getByRole('button', { name: 'It is mine, continue' }).click()
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(server.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByRole('heading', { name: 'Device connected' }).waitFor()
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...started, interval: 1 })
  expect(tokens.scope).toBe('agent-iam/agents*:read')
  await context.close()
})

test('an error is told on a page that says what to do', async () => {
  const page = await browser.newPage()
  await page.goto(`${server.url}/oauth/authorize?client_id=cli_nobody&response_type=code`)
  await page.getByRole('heading', { name: 'This did not work' }).waitFor()
  expect(await violations(page)).toEqual([])
  await page.close()
})
