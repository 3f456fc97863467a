import { createHash } from 'node:crypto'
import { html, trusted, type Html } from './html.ts'

/** A page, and the policy that lets a browser run nothing but what we put into it. */
export interface Page {
  readonly html: string
  /** For the `Content-Security-Policy` header. */
  readonly contentSecurityPolicy: string
}

/** What the policy of a page depends on. */
interface Sources {
  readonly style: string
  /** Code of our own, the only code that runs on the page; it may talk to this server only. */
  readonly script?: string | undefined
  /** Where its forms may lead. */
  readonly formTargets?: readonly string[]
}

interface Content extends Sources {
  readonly title: string
  /** The address of the page's icon. */
  readonly icon: string
  readonly body: Html
}

/** A whole document. Nothing is loaded from anywhere. */
export function documentPage({ title, icon, body, ...sources }: Content): Page {
  const { style, script } = sources
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
        ${body} ${script === undefined ? undefined : trusted(`<script>${script}</script>`)}
      </body>
    </html> `
  return { html: document.markup, contentSecurityPolicy: policyFor(sources) }
}

/** A page's own script may talk to this server only; nothing is loaded from anywhere; no other page frames it. */
export function policyFor({ style, script, formTargets = [`'none'`] }: Sources): string {
  return [
    `default-src 'none'`,
    `style-src ${hashSource(style)}`,
    'img-src data:',
    ...(script === undefined ? [] : [`script-src ${hashSource(script)}`, `connect-src 'self'`]),
    `base-uri 'none'`,
    `form-action ${formTargets.join(' ')}`,
    `frame-ancestors 'none'`,
  ].join('; ')
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
