import { createHash } from 'node:crypto'
import { docsSearch } from './docs-search.ts'
import { acceptInvitationScript, confirmRegistrationScript, resetPasswordScript } from './mailed-link-script.ts'
import { setupScript } from './setup-script.ts'
import { style } from './style.ts'

const scripts = new Map([
  ['homePage', undefined],
  ['docsPage', docsSearch],
  ['setupPage', setupScript],
  ['resetPasswordPage', resetPasswordScript],
  ['confirmRegistrationPage', confirmRegistrationScript],
  ['acceptInvitationPage', acceptInvitationScript],
])

/** The `Content-Security-Policy` of an operation that answers a page: nothing runs but what we put into it. */
export function contentSecurityPolicyOf(operationId: string): string | undefined {
  return scripts.has(operationId) ? policyFor(scripts.get(operationId)) : undefined
}

/** A page's own script may talk to this server only; nothing is loaded from anywhere. */
export function policyFor(script: string | undefined): string {
  const sources = [
    `default-src 'none'`,
    `style-src ${hashSource(style)}`,
    `img-src data:`,
    ...(script === undefined ? [] : [`script-src ${hashSource(script)}`, `connect-src 'self'`]),
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ]
  return sources.join('; ')
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
