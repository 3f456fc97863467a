import { policyFor } from './content-security-policy.ts'
import { html, trusted, type Html } from './html.ts'
import { style } from './style.ts'

/** A page, and the policy that lets a browser run nothing but what we put into it. */
export interface Page {
  readonly html: string
  /** For the `Content-Security-Policy` header. */
  readonly contentSecurityPolicy: string
}

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

/** The frame that every page shares. Nothing is loaded from anywhere. */
export function layout({ title, path, main, script }: Content): Page {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        <link rel="icon" href="${icon}" />
        ${trusted(`<style>${style}</style>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <a class="brand" href="/">${trusted(logo)}<span>Agent IAM</span></a>
          <nav aria-label="Main">${links.map((link) => navigationLink(link, path))}</nav>
        </header>
        <main id="main" tabindex="-1">${main}</main>
        ${script === undefined ? undefined : trusted(`<script>${script}</script>`)}
      </body>
    </html> `
  return { html: document.markup, contentSecurityPolicy: policyFor(script) }
}

function navigationLink(link: { path: string; text: string }, current: string): Html {
  const here = trusted(link.path === current ? ' aria-current="page"' : '')
  return html`<a href="${link.path}" ${here}>${link.text}</a>`
}

const mark =
  '<path d="M16 2 4 7v8c0 7.4 5 12.9 12 15 7-2.1 12-7.6 12-15V7z" fill="#0f766e"/>' +
  '<path d="m10.5 16 4 4 7.5-8.5" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>'
const logo = `<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">${mark}</svg>`
const icon = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${mark}</svg>`)}`
