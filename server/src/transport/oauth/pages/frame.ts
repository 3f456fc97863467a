import { brand } from '../../pages/brand.ts'
import { documentPage, type Page } from '../../pages/document.ts'
import { html, type Html } from '../../pages/html.ts'
import { style } from '../../pages/style.ts'
import { formStyle } from './form-style.ts'

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
export function frame({ title, main, formTargets = [], script }: Content): Page {
  return documentPage({
    title: `${title} · Agent IAM`,
    icon: 'data:,',
    style: `${style}${formStyle}`,
    script,
    formTargets: [`'self'`, ...formTargets],
    body: html`
      <header class="top">
        <span class="brand">${brand}</span>
      </header>
      <main id="main"><div class="form">${main}</div></main>
    `,
  })
}

/** A redirect URI as a source of `form-action`: its origin, or its scheme where it has none that CSP could name. */
export function formTargetOf(redirectUri: unknown): string[] {
  const url = typeof redirectUri === 'string' ? URL.parse(redirectUri) : null
  if (!url || !/^[a-z][a-z0-9+.-]*:$/.test(url.protocol)) return []
  const hasOrigin = (url.protocol === 'https:' || url.protocol === 'http:') && !url.hostname.startsWith('[')
  return [hasOrigin ? url.origin : url.protocol]
}
