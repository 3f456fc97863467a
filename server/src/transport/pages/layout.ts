import { brand, icon } from './brand.ts'
import { documentPage, type Page } from './document.ts'
import { html, trusted, type Html } from './html.ts'
import { style } from './style.ts'

interface Content {
  readonly title: string
  /** The page's place in the navigation. */
  readonly path: '/' | '/docs' | '/setup' | '/reset-password' | '/confirm-registration' | '/accept-invitation'
  readonly main: Html
  /** Our own script; it may talk to this server only. */
  readonly script?: string
}

const links = [
  { path: '/', text: 'Start' },
  { path: '/docs', text: 'API reference' },
  { path: '/openapi.json', text: 'OpenAPI' },
]

/** The frame that our own pages share: what they say, and the way to the others. */
export function layout({ title, path, main, script }: Content): Page {
  const body = html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href="/">${brand}</a>
      <nav aria-label="Main">${links.map((link) => navigationLink(link, path))}</nav>
    </header>
    <main id="main" tabindex="-1">${main}</main>
  `
  return documentPage({ title, icon, style, script, body })
}

function navigationLink(link: { path: string; text: string }, current: string): Html {
  const here = trusted(link.path === current ? ' aria-current="page"' : '')
  return html`<a href="${link.path}" ${here}>${link.text}</a>`
}
