import { withoutRefused } from '@agent-iam/contract/visible-text'
import type { Client } from 'oidc-provider'

/** A screen shows no longer ones, and nobody reads them. */
const charactersMax = 100

/** What a client calls itself, fit to be shown; what it is named on the wire where it has no name. */
export function clientName({ clientName: name, clientId }: Pick<Client, 'clientName' | 'clientId'>): string {
  // An application chose this text.
  const shown = Array.from(withoutRefused(name ?? '').trim())
    .slice(0, charactersMax)
    .join('')
    .trim()
  return shown === '' ? clientId : shown
}
