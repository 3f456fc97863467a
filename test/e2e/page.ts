import axe from 'axe-core'
import type { BrowserContext, CDPSession, Page } from 'playwright-core'

/** What axe finds wrong with a page; its policy forbids foreign scripts, so the check comes by the debugger's way. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const found: unknown = await page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
  )
  return Array.isArray(found) ? found.map(String) : ['axe did not answer']
}

/** Where someone wants to look at the pages. */
export async function show(page: Page, name: string): Promise<void> {
  const folder = process.env['AGENT_IAM_TEST_SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true })
}

/** What the browser complains of, as it comes: a policy that blocked something, a request that failed. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())))
  return complaints
}

/** A device that knows its person, as a laptop with a fingerprint reader does. */
export interface Authenticator {
  readonly devices: CDPSession
  readonly authenticatorId: string
}

export async function addAuthenticator(context: BrowserContext, page: Page): Promise<Authenticator> {
  const devices = await context.newCDPSession(page)
  await devices.send('WebAuthn.enable')
  const { authenticatorId } = await devices.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return { devices, authenticatorId }
}
