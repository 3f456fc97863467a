import { login } from '@agent-iam/contract/auth'
import * as factors from '@agent-iam/contract/factors'
import { PasskeyAssertion, PasskeyRegistration } from '@agent-iam/contract/factors'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { call, type Connection } from '../../sdk/typescript/src/call.ts'
import { openBrowser } from './browser.ts'
import { addAuthenticator } from './page.ts'
import { email, type StartedServer, startServer } from './started-server.ts'

let server: StartedServer
let admin: Connection
let browser: Browser
let page: Page
let devices: CDPSession
let authenticatorId: string

beforeAll(async () => {
  server = await startServer()
  browser = await openBrowser()
  const { accessToken: token } = await call(stranger(), login, { body: { email, password: server.password } })
  admin = { ...stranger(), token }
})
afterAll(async () => {
  await browser.close()
  await server.stop()
})

/** Each test has a page of the server's and a device of its own, whose person it knows. */
beforeEach(async () => {
  const context = await browser.newContext()
  page = await context.newPage()
  await page.goto(server.url)
  const device = await addAuthenticator(context, page)
  devices = device.devices
  authenticatorId = device.authenticatorId
  return () => context.close()
})

const proof = () => ({ type: 'password' as const, password: server.password })
const stranger = () => ({ server: server.url })

/** What the browser makes, as a page would ask it to. */
async function create(options: object): Promise<PasskeyRegistration> {
  return PasskeyRegistration.parse(
    await page.evaluate(`(async () => {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(${JSON.stringify(options)})
      return (await navigator.credentials.create({ publicKey })).toJSON()
    })()`),
  )
}

/** What the browser answers, as a page would ask it to. */
async function answer(options: object): Promise<PasskeyAssertion> {
  return PasskeyAssertion.parse(
    await page.evaluate(`(async () => {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(${JSON.stringify(options)})
      return (await navigator.credentials.get({ publicKey })).toJSON()
    })()`),
  )
}

/** A passkey of the administrator, made in the browser; removed by `remove`, so that the next test begins without. */
async function register(name: string) {
  const { options } = await call(admin, factors.passkeyCreationOptions, { body: { proof: proof() } })
  const made = await call(admin, factors.registerPasskey, { body: { name, response: await create(options) } })
  const params = { passkeyId: made.passkeyId }
  return { ...made, remove: () => call(admin, factors.removePasskey, { params, body: { proof: proof() } }) }
}

async function loginOptions() {
  return (await call(stranger(), factors.passkeyLoginOptions)).options
}

test('a passkey made in a browser logs its person in alone, and again', async () => {
  const { passkeyId, recoveryCodes, remove } = await register('this browser')
  expect(recoveryCodes).toHaveLength(10)
  for (let n = 0; n < 2; n++) {
    const { accessToken } = await call(stranger(), login, { body: { passkey: await answer(await loginOptions()) } })
    const { passkeys } = await call({ ...stranger(), token: accessToken }, factors.listFactors)
    expect(passkeys).toMatchObject([{ passkeyId, name: 'this browser', lastUsedAt: expect.any(String) }])
  }
  await remove()
})

test('it is the second factor beside a password', async () => {
  const { remove } = await register('second factor')
  const body = { email, password: server.password }
  await expect(call(stranger(), login, { body })).rejects.toMatchObject({ code: 'second-factor-required' })
  const secondFactor = { type: 'passkey' as const, response: await answer(await loginOptions()) }
  const { accessToken } = await call(stranger(), login, { body: { ...body, secondFactor } })
  expect(accessToken).toMatch(/^ey/)
  await remove()
})

test('what the browser answered once is not answered for again', async () => {
  const { remove } = await register('once')
  const passkey = await answer(await loginOptions())
  await call(stranger(), login, { body: { passkey } })
  await expect(call(stranger(), login, { body: { passkey } })).rejects.toMatchObject({ code: 'invalid-credentials' })
  await remove()
})

test('a copy of the key that is behind in its counting is refused', async () => {
  const { remove } = await register('copied')
  const { credentials } = await devices.send('WebAuthn.getCredentials', { authenticatorId })
  await call(stranger(), login, { body: { passkey: await answer(await loginOptions()) } })
  await devices.send('WebAuthn.clearCredentials', { authenticatorId })
  for (const credential of credentials) await devices.send('WebAuthn.addCredential', { authenticatorId, credential })
  const passkey = await answer(await loginOptions())
  await expect(call(stranger(), login, { body: { passkey } })).rejects.toMatchObject({ code: 'invalid-credentials' })
  await remove()
})

test('a device that does not know its person makes no passkey and answers for none', async () => {
  const { remove } = await register('known')
  await devices.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await expect(answer(await loginOptions())).rejects.toThrow('NotAllowedError')
  const { options } = await call(admin, factors.passkeyCreationOptions, { body: { proof: proof() } })
  await expect(create(options)).rejects.toThrow('NotAllowedError')
  await remove()
})

test('a page of another host gets no answer for ours', async () => {
  const { remove } = await register('ours')
  const options = await loginOptions()
  await page.goto(server.url.replace('localhost', '127.0.0.1'))
  await expect(answer(options)).rejects.toThrow('SecurityError')
  await remove()
})
