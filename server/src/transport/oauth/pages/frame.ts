import { createHash } from 'node:crypto'
import { html, trusted, type Html } from '../../pages/html.ts'
import { style } from '../../pages/style.ts'
import { formStyle } from './form-style.ts'

export interface FramedPage {
  readonly html: string
  /** For the `Content-Security-Policy` header. */
  readonly contentSecurityPolicy: string
}

interface Content {
  readonly title: string
  readonly main: Html
  /** Where a form on this page may lead: by its redirects too, so the client's own origin where it ends there. */
  readonly formTargets?: readonly string[]
  /** Code of our own, the only code that runs here; it may talk to this server alone. */
  readonly script?: string | undefined
}

/**
 * The frame of the pages on which people log in and consent: nothing on it but what they are asked, no link away, no
 * script but the page's own, nothing loaded from anywhere, and shown in no other page's frame.
 */
export function frame({ title, main, formTargets = [], script }: Content): FramedPage {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${title} · Agent IAM</title>
        <link rel="icon" href="data:," />
        ${trusted(`<style>${allStyle}</style>`)}
      </head>
      <body>
        <header class="top">
          <span class="brand">${trusted(logo)}<span>Agent IAM</span></span>
        </header>
        <main id="main"><div class="form">${main}</div></main>
        ${script === undefined ? undefined : trusted(`<script>${script}</script>`)}
      </body>
    </html> `
  return { html: document.markup, contentSecurityPolicy: policyOf(formTargets, script) }
}

const allStyle = `${style}${formStyle}`
const styleSource = hashSource(allStyle)

const logo =
  '<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">' +
  '<path d="M16 2 4 7v8c0 7.4 5 12.9 12 15 7-2.1 12-7.6 12-15V7z" fill="#0f766e"/>' +
  '<path d="m10.5 16 4 4 7.5-8.5" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>'

function policyOf(formTargets: readonly string[], script: string | undefined): string {
  return [
    `default-src 'none'`,
    `style-src ${styleSource}`,
    ...(script === undefined ? [] : [`script-src ${hashSource(script)}`, `connect-src 'self'`]),
    'img-src data:',
    `form-action 'self' ${formTargets.join(' ')}`.trim(),
    `base-uri 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ')
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** A redirect URI as a source of `form-action`: its origin, or its scheme where it has none that CSP could name. */
export function formTargetOf(redirectUri: unknown): string[] {
  const url = typeof redirectUri === 'string' ? URL.parse(redirectUri) : null
  if (!url || !/^[a-z][a-z0-9+.-]*:$/.test(url.protocol)) return []
  const hasOrigin = (url.protocol === 'https:' || url.protocol === 'http:') && !url.hostname.startsWith('[')
  return [hasOrigin ? url.origin : url.protocol]
}
