import { docsPage } from './docs.ts'
import { homePage } from './home.ts'
import type { Page } from './layout.ts'
import { setupPage } from './setup.ts'

/** The pages by the id of the operation that serves them. */
const pages: Readonly<Record<string, (publicUrl: string) => Page>> = { homePage, docsPage, setupPage }

const rendered = new Map<string, Page>()

/** A page as it is for this address: rendered once, since nothing in it changes while we run. */
export function renderPage(operationId: string, publicUrl: string): Page {
  const key = `${operationId} ${publicUrl}`
  const page = rendered.get(key) ?? pages[operationId]?.(publicUrl)
  if (!page) throw new Error(`no page is called ${operationId}`)
  rendered.set(key, page)
  return page
}
