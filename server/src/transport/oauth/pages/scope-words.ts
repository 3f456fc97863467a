import { parseGrant, platformResourceType } from '@agent-iam/contract/capabilities'
import { html, type Html } from '../../pages/html.ts'

const known = new Map([
  ['openid', 'know that it is you'],
  ['profile', 'see your name'],
  ['email', 'see your e-mail address'],
  ['offline_access', 'go on without you, for 14 days at most'],
])

/** A scope as a person reads it, with how it is written beside it. */
export function scopeInWords(scope: string): Html {
  const words = known.get(scope) ?? grantInWords(scope)
  return html`${words} <code>${scope}</code>`
}

function grantInWords(entry: string): string {
  const grant = parseGrant(entry)
  if (!grant) return 'use'
  const { type, idPattern, action } = grant
  const verb = action === '*' ? 'do anything with' : action
  const kind = type === '*' ? 'everything' : type
  const which = idPattern === undefined || idPattern === '*' ? 'all of it' : idPattern.replace(/\*$/, '…')
  return type === platformResourceType ? `${verb} ${which} in Agent IAM` : `${verb} ${kind}: ${which}`
}
