import type { Page } from 'playwright-core'
import { openBrowser } from '../e2e/browser.ts'

/** A browser that stands still this long will not go on. */
const stepMs = 15_000

/** Opens an authorization request in Chromium, logs in, and allows what the client asks for; ends at the client's page. */
export async function allowInBrowser(url: string, person: { email: string; password: string }): Promise<string> {
  const browser = await openBrowser()
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(stepMs)
    await logInAndAllow(page, url, person).catch(async (error: unknown) => {
      throw new Error(`stuck at ${page.url()}:\n${await page.innerText('body')}`, { cause: error })
    })
    return page.url()
  } finally {
    await browser.close()
  }
}

async function logInAndAllow(page: Page, url: string, person: { email: string; password: string }): Promise<void> {
  await page.goto(url)
  await page.getByLabel('E-mail').fill(person.email)
  await page.getByLabel('Password').fill(person.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.waitForURL((here) => here.searchParams.has('code'))
}
