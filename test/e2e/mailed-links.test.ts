import { forgotPassword } from '@agent-iam/contract/accounts'
import { login } from '@agent-iam/contract/auth'
import { inviteUser } from '@agent-iam/contract/invitations'
import { registerUser } from '@agent-iam/contract/registrations'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { call, type Connection } from '../../sdk/typescript/src/call.ts'
import { openSink, type SmtpSink } from '../../server/test/smtp-sink.ts'
import { openBrowser } from './browser.ts'
import { violations } from './page.ts'
import { email, type StartedServer, startServer } from './started-server.ts'

const password = 'seven grey herons by the weir'

let sink: SmtpSink
let server: StartedServer
let browser: Browser
let page: Page
let requested: string[]

beforeAll(async () => {
  sink = await openSink()
  server = await startServer({ AGENT_IAM_SMTP_URL: sink.url, AGENT_IAM_MAIL_FROM: 'iam@example.org' })
  browser = await openBrowser()
})
afterAll(async () => {
  await browser.close()
  await server.stop()
  await sink.close()
})
beforeEach(async () => {
  const context = await browser.newContext()
  page = await context.newPage()
  requested = []
  page.on('request', (request) => requested.push(`${request.url()} ${JSON.stringify(request.headers())}`))
  return () => context.close()
})

const stranger = (): Connection => ({ server: server.url })

/** The link that the server mails to somebody, within the seconds that it takes. */
async function linkTo(address: string): Promise<string> {
  return vi.waitFor(
    () => {
      const mail = sink.mails.findLast(({ to }) => to?.[0]?.address === address)
      const link = /https?:\S+#token=\S+/.exec(mail?.text ?? '')?.[0]
      if (link === undefined) throw new Error(`no link was mailed to ${address}`)
      return link
    },
    { timeout: 15_000, interval: 100 },
  )
}

async function submit(button: string): Promise<void> {
  await page.getByRole('button', { name: button }).click()
}

test('a forgotten password is set anew behind the mailed link', async () => {
  await call(stranger(), forgotPassword, { body: { email } })
  const link = await linkTo(email)
  await page.goto(link)
  expect(page.url()).not.toContain('token')
  expect(await violations(page)).toEqual([])

  // The way to the content is a fragment too, and no other link.
  await page.getByRole('link', { name: 'Skip to the content' }).press('Enter')
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByLabel('Password again').fill('something else')
  await submit('Set the password')
  expect(await page.getByText('This is not the same password.').isVisible()).toBe(true)

  await page.getByLabel('Password again').fill(password)
  await submit('Set the password')
  await page.getByRole('heading', { name: 'The password is set' }).waitFor()
  expect(await violations(page)).toEqual([])
  await call(stranger(), login, { body: { email, password } })

  // The secret was sent in the one body, never in an address or a header.
  const secret = link.slice(link.indexOf('#token=') + 7)
  expect(requested.length).toBeGreaterThan(1)
  expect(requested.join('\n')).not.toContain(secret)

  await page.goto(link)
  await page.getByLabel('Password', { exact: true }).fill('nine brown otters on the bank')
  await page.getByLabel('Password again').fill('nine brown otters on the bank')
  await submit('Set the password')
  await page.getByText('The token is not valid here').waitFor()
})

test('an invitation is accepted behind the mailed link', async () => {
  const { accessToken: token } = await call(stranger(), login, { body: { email, password } })
  const body = { email: 'grace@example.com', name: 'Grace' }
  await call({ ...stranger(), token }, inviteUser, { body })
  await page.goto(await linkTo(body.email))
  expect(await violations(page)).toEqual([])
  await page.getByLabel('Password', { exact: true }).fill('grace@example.com grace')
  await page.getByLabel('Password again').fill('grace@example.com grace')
  await submit('Accept')
  await page.getByText('Mend what is marked below.').waitFor()
  expect(await violations(page)).toEqual([])
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByLabel('Password again').fill(password)
  await submit('Accept')
  await page.getByText('Log in as grace@example.com, in the tenant "default".').waitFor()
  await call(stranger(), login, { body: { email: body.email, password } })
})

test('an address is confirmed behind the mailed link, with the password that was chosen', async () => {
  const person = { email: 'edith@example.com', name: 'Edith', password }
  await call(stranger(), registerUser, { body: person })
  await page.goto(await linkTo(person.email))
  expect(await violations(page)).toEqual([])
  await page.getByLabel('Password').fill('not what was chosen')
  await submit('Confirm')
  await page.getByText('The credentials are not valid').waitFor()
  await page.getByLabel('Password').fill(password)
  await submit('Confirm')
  await page.getByRole('heading', { name: 'The address is confirmed' }).waitFor()
})

test('a link without its secret says so', async () => {
  await page.goto(`${server.url}/reset-password`)
  expect(await page.getByRole('alert').textContent()).toContain('The link is not complete')
  expect(await page.getByRole('button').count()).toBe(0)
})
