import { docsSearch } from './docs-search.ts'
import { policyFor } from './document.ts'
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
  return scripts.has(operationId) ? policyFor({ style, script: scripts.get(operationId) }) : undefined
}
