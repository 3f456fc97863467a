import { fromBase64url, MalformedBase64Error } from './base64url.ts'

/**
 * Whether a text is a JWS in compact form (RFC 7515 §7.1) in its one spelling: three parts in base64url without padding
 * and without bits left over. A decoder that is lenient accepts a signature in several spellings, so that the same token
 * or proof can appear as several.
 */
export function isCanonicalJws(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 3 && parts.every((part) => part !== '' && isCanonicalBase64url(part))
}

/** Whether a text is the one base64url spelling of its bytes. */
export function isCanonicalBase64url(text: string): boolean {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return false
  // Only the last character can have bits left over.
  try {
    fromBase64url(text.slice(text.length - (text.length % 4)))
    return true
  } catch (error) {
    if (error instanceof MalformedBase64Error) return false
    throw error
  }
}
