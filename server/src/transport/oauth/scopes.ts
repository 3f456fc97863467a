import { parseGrant } from '@agent-iam/contract/capabilities'

/** What OpenID Connect itself means by a scope; all others are meant for a resource server. */
export const openIdScopes = ['openid', 'offline_access', 'profile', 'email']

/** Whether a scope asks for a right at our own API. */
export function isCapability(scope: string): boolean {
  return parseGrant(scope) !== undefined
}

/** What can be told in a scope (RFC 6749 §3.3). */
export function isScope(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)
}
