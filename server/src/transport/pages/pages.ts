import { docsPage } from './docs.ts'
import { homePage } from './home.ts'
import type { Page } from './document.ts'
import { acceptInvitationPage, confirmRegistrationPage, resetPasswordPage } from './mailed-links.ts'
import { setupPage } from './setup.ts'

/** The pages by the id of the operation that serves them. */
const pages: Readonly<Record<string, (publicUrl: string) => Page>> = {
  homePage,
  docsPage,
  setupPage,
  resetPasswordPage,
  confirmRegistrationPage,
  acceptInvitationPage,
}

/** A page as it is at this address. */
export function renderPage(operationId: string, publicUrl: string): Page {
  const page = pages[operationId]?.(publicUrl)
  if (!page) throw new Error(`no page is called ${operationId}`)
  return page
}
